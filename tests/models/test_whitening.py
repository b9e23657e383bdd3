import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.models import networks, similarity
from covers.models.whitening import whiten


@pytest.fixture
def network():
    torch.manual_seed(0)
    return networks.build("covernet").eval()


def recordings(n, seed=0, n_frames=40):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 36, n_frames, generator=generator)


def telling(network, spreads):
    """Make the network's blocks tell ``spreads`` (n, channels, 12) of recordings 0, 1, ..."""
    network.spread = lambda x: spreads[x.long()]
    return torch.arange(len(spreads))


def moments(network, x):
    """Second moments of what the head makes of recordings, at each frequency: (6, d, d)."""
    with torch.no_grad():
        z = torch.fft.rfft(network.head(network.spread(x)[..., None])[..., 0].double(), dim=2)
    return torch.einsum("bcf,bdf->fcd", z.conj(), z)[1:] / len(x)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_whitened_channels_are_uncorrelated_and_vary_alike_at_each_frequency(seed):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.eye(64) + 0.05 * torch.randn(64, 64, generator=generator)
    spreads = torch.einsum("cd,bdp->bcp", mixing, torch.randn(500, 64, 12, generator=generator))
    network = networks.build("covernet").eval()
    x = telling(network, spreads)
    whiten(network, [x[:90], x[90:]], share=1e-9)
    for moment in moments(network, x):
        np.testing.assert_allclose(moment.numpy(), np.eye(64), atol=1e-3)


def test_a_share_of_the_mean_keeps_what_hardly_varies_small(network):
    scale = torch.ones(64, 1)
    scale[32:] = 1e-3
    x = telling(network, scale * torch.randn(500, 64, 12))
    whiten(network, [x], share=0.1)
    variances = torch.diagonal(moments(network, x), dim1=1, dim2=2).real
    assert variances[:, :32].min() > 0.5
    assert variances[:, 32:].max() < 1e-3


def test_a_transposed_recording_is_as_near_after_whitening(network):
    whiten(network, [recordings(80)])
    x = recordings(4, seed=1)
    rolled = x.reshape(4, 3, 12, -1).roll(5, dims=2).reshape(x.shape)
    with torch.no_grad():
        torch.testing.assert_close(network(rolled), network(x), atol=1e-5, rtol=0)


@torch.no_grad()
def test_whitening_forgets_the_head_before_it_and_how_recordings_were_dealt(network):
    x = recordings(100)
    whiten(network, [x])
    first = network(x)
    torch.nn.init.normal_(network.head.weight)
    whiten(network, x.split(7))
    torch.testing.assert_close(network(x), first, atol=1e-3, rtol=0)


def test_a_narrower_head_keeps_the_directions_that_vary_most():
    """Six backbones tell 384 channels, of which 320 are kept: those that are louder than the rest."""
    torch.manual_seed(1)
    network = networks.build("covernet", backbones=6).eval()
    spreads = torch.randn(900, 384, 12)
    spreads[:, 320:] *= 1e-2
    x = telling(network, spreads)
    whiten(network, [x], share=1e-9)
    found = moments(network, x)
    np.testing.assert_allclose(found.numpy(), np.tile(np.eye(320), (6, 1, 1)), atol=2e-3)
    without = spreads.clone()
    without[:, 320:] = 0
    with torch.no_grad():
        rows = network.rows(x)
        torch.testing.assert_close(network.rows(telling(network, without)), rows, atol=1e-3, rtol=0)


def test_works_that_share_a_common_part_are_told_apart_once_it_is_whitened(network):
    """All spreads have one strong direction in common; works differ in a weak one."""
    generator = torch.Generator().manual_seed(2)
    common = torch.randn(1, 64, 12, generator=generator)
    of_work = 0.1 * torch.randn(30, 64, 12, generator=generator).repeat_interleave(2, dim=0)
    weight = 1 + 0.5 * torch.randn(60, 1, 1, generator=generator)
    noise = 0.03 * torch.randn(60, 64, 12, generator=generator)
    spreads = weight * common + of_work + noise
    everything = telling(network, spreads)

    def right():
        with torch.no_grad():
            rows = network.rows(everything)
        near = similarity.similarity_matrix(rows.flatten(1), rows.flatten(1), 12)
        near.fill_diagonal_(-2)
        return float((near.argmax(dim=1) // 2 == everything // 2).float().mean())

    with torch.no_grad():
        torch.nn.init.zeros_(network.head.weight)
        network.head.weight[range(64), range(64), 0] = 1  # passes everything
    before = right()
    whiten(network, [everything], share=1e-3)
    assert right() > before + 0.2


def test_no_recordings_to_whiten_by_are_refused(network):
    with pytest.raises(ValueError, match="must hold recordings to whiten by, got none"):
        whiten(network, [])
