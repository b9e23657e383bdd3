import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.models import factory, similarity
from covers.models.whitening import whiten


@pytest.fixture
def network():
    torch.manual_seed(0)
    return factory.build("covernet").eval()


def recordings(n, seed=0, n_frames=40):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 36, n_frames, generator=generator)


def pooling(network, pooled):
    """Make the network pool recordings 0, 1, ... to ``pooled`` (n, channels, 12); return them."""
    network.temporal_std = lambda x: pooled[x.long()]
    return torch.arange(len(pooled))


def moments(network, x):
    """Return second moments of projected recordings, at each frequency: (6, d, d)."""
    with torch.no_grad():
        z = torch.fft.rfft(network.head(network.temporal_std(x)[..., None])[..., 0].double(), dim=2)
    return torch.einsum("bcf,bdf->fcd", z.conj(), z)[1:] / len(x)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_whitened_channels_are_uncorrelated_with_variance_one_at_each_frequency(seed):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.eye(64) + 0.05 * torch.randn(64, 64, generator=generator)
    pooled = torch.einsum("cd,bdp->bcp", mixing, torch.randn(500, 64, 12, generator=generator))
    network = factory.build("covernet").eval()
    x = pooling(network, pooled)
    whiten(network, [x[:90], x[90:]], regularization=1e-9)
    for moment in moments(network, x):
        np.testing.assert_allclose(moment.numpy(), np.eye(64), atol=1e-3)


def test_regularization_keeps_channels_that_hardly_vary_small(network):
    scale = torch.ones(64, 1)
    scale[32:] = 1e-3
    x = pooling(network, scale * torch.randn(500, 64, 12))
    whiten(network, [x], regularization=0.1)
    variances = torch.diagonal(moments(network, x), dim1=1, dim2=2).real
    assert variances[:, :32].min() > 0.5
    assert variances[:, 32:].max() < 1e-3


def test_a_transposed_recording_has_the_same_embedding_after_whitening(network):
    whiten(network, [recordings(80)])
    x = recordings(4, seed=1)
    rolled = x.reshape(4, 3, 12, -1).roll(5, dims=2).reshape(x.shape)
    with torch.no_grad():
        torch.testing.assert_close(network(rolled), network(x), atol=1e-5, rtol=0)


@torch.no_grad()
def test_whitening_depends_neither_on_the_old_head_nor_on_batches(network):
    x = recordings(100)
    whiten(network, [x])
    first = network(x)
    torch.nn.init.normal_(network.head.weight)
    whiten(network, x.split(7))
    torch.testing.assert_close(network(x), first, atol=1e-3, rtol=0)


def test_a_narrower_head_keeps_the_directions_that_vary_most():
    """Six backbones have 384 channels, of which 320 are kept: those of larger variance."""
    torch.manual_seed(1)
    network = factory.build("covernet", n_backbones=6).eval()
    pooled = torch.randn(900, 384, 12)
    pooled[:, 320:] *= 1e-2
    x = pooling(network, pooled)
    whiten(network, [x], regularization=1e-9)
    found = moments(network, x)
    np.testing.assert_allclose(found.numpy(), np.tile(np.eye(320), (6, 1, 1)), atol=2e-3)
    without = pooled.clone()
    without[:, 320:] = 0
    with torch.no_grad():
        rows = network.rows(x)
        torch.testing.assert_close(network.rows(pooling(network, without)), rows, atol=1e-3, rtol=0)


def test_works_are_separated_by_a_weak_direction_once_a_strong_common_one_is_whitened(network):
    """All pooled features have one strong direction in common; works differ in a weak one."""
    generator = torch.Generator().manual_seed(2)
    common = torch.randn(1, 64, 12, generator=generator)
    of_work = 0.1 * torch.randn(30, 64, 12, generator=generator).repeat_interleave(2, dim=0)
    weight = 1 + 0.5 * torch.randn(60, 1, 1, generator=generator)
    noise = 0.03 * torch.randn(60, 64, 12, generator=generator)
    pooled = weight * common + of_work + noise
    everything = pooling(network, pooled)

    def precision_at_1():
        with torch.no_grad():
            rows = network.rows(everything)
        near = similarity.similarity_matrix(rows.flatten(1), rows.flatten(1), 12)
        near.fill_diagonal_(-2)
        return float((near.argmax(dim=1) // 2 == everything // 2).float().mean())

    with torch.no_grad():
        torch.nn.init.zeros_(network.head.weight)
        network.head.weight[range(64), range(64), 0] = 1  # passes everything
    before = precision_at_1()
    whiten(network, [everything], regularization=1e-3)
    assert precision_at_1() > before + 0.2


def test_whitening_without_recordings_is_refused(network):
    with pytest.raises(ValueError, match="must hold recordings to whiten by, got none"):
        whiten(network, [])
