"""CoverNet: equivariant to transposition, and the same for a window as for the track around it."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.models import covernet, factory, similarity
from covers.models.model import untrained
from covers.retrieval.embedding import embed_track


def chroma(seed, n=232):
    return np.random.default_rng(seed).random((36, n)).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 11), st.integers(0, 1000))
def test_covernet_embeds_a_transposed_recording_the_same(shift, seed):
    torch.manual_seed(0)
    network = factory.build("covernet").eval()
    x = torch.rand(1, 36, 80, generator=torch.Generator().manual_seed(seed))
    rolled = x.reshape(1, 3, 12, 80).roll(shift, dims=2).reshape(1, 36, 80)
    with torch.no_grad():
        near = similarity.paired_distance(network(x), network(rolled), 12)
    assert float(near) < 5e-3


def test_circular_pitch_convolution_is_a_plain_convolution_of_the_input_repeated_around():
    torch.manual_seed(0)
    circle, x = covernet.CircularPitchConv(3, 5), torch.rand(2, 3, 12, 7)
    around = torch.cat([x, x[:, :, :11]], dim=2)
    plain = torch.nn.functional.conv2d(around, circle.weight)
    torch.testing.assert_close(circle(x), plain, atol=1e-5, rtol=1e-5)


def test_an_ensemble_pools_what_each_of_its_backbones_pools_alone():
    torch.manual_seed(3)
    alone = [factory.build("covernet", n_backbones=n).eval() for n in (1, 2)]
    both, x = covernet.join_backbones(alone).eval(), torch.rand(3, 36, 80)
    torch.testing.assert_close(
        both.temporal_std(x), torch.cat([n.temporal_std(x) for n in alone], dim=1)
    )
    assert covernet.shape_like(both.state_dict()).widths == (32, 32, 32)
    assert both(x).norm(dim=1).allclose(torch.ones(3))
    rolled = torch.roll(x.reshape(3, 3, 12, -1), 5, dims=2).reshape(x.shape)
    torch.testing.assert_close(both(rolled), both(x), atol=1e-5, rtol=0)


def naive_window(module, x, start, length):
    """Embed so many steps of the activations, in the recording's own key."""
    (activations,) = module.activations(torch.from_numpy(x)[None])
    pooled = activations[0, :, :, start : start + length].numpy().std(axis=2)
    return module.project(torch.from_numpy(pooled)[None])[0].numpy()


@torch.no_grad()
def test_embeddings_of_windows_are_pooled_from_the_tracks_activations_in_its_transposition():
    module, x = untrained().module, chroma(3)  # 29 steps of 8 frames
    found, rolled = module.embed_sequences(torch.from_numpy(x), [(80, 40), (16, 8)])
    track, segments, frames = (rows.numpy() for rows in found)
    np.testing.assert_allclose(track[0], embed_track(module, x, crop_frames=None), atol=1e-6)
    assert len(segments) == 5  # from step 0, 5, 10, 15, and the last from 19
    assert len(frames) == 28
    assert rolled == int((module.rows(torch.from_numpy(x)[None])[0].norm(dim=1)).argmax())
    for rows, starts, length in ((segments, (0, 5, 10, 15, 19), 10), (frames, range(28), 2)):
        for row, start in zip(rows, starts, strict=True):
            naive = np.roll(naive_window(module, x, start, length), -rolled, axis=0)
            np.testing.assert_allclose(row, naive.ravel(), atol=1e-5)


@torch.no_grad()
def test_a_track_no_longer_than_a_window_is_its_only_window():
    found, _ = untrained().module.embed_sequences(torch.from_numpy(chroma(1, 80)), [(80, 40)])
    torch.testing.assert_close(found[1], found[0])
