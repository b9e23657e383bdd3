"""What a network tells of a recording beyond its embedding, and distances by wholes and stretches."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from covers.audio import quantize
from covers.audio.augmentation.tensor import stretch_time
from covers.audio.features import roll_key
from covers.errors import InputError
from covers.models import networks, registry
from covers.retrieval import embed, hearing, scoring
from covers.retrieval.hearing import Heard, hear
from covers.schemas.spectrograms import SPECTROGRAMS
from tests.rows import spectrogram_row


def chroma(seed, n=232):
    return np.random.default_rng(seed).random((36, n)).astype(np.float32)


def covernet(**card):
    """An untrained network whose card says this of its distances."""
    return registry.untrained().only(**({"segment_s": None, "frame_s": None} | card))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def slow_passage(net, x, start, length):
    """The embedding of what the blocks tell in so many of their steps, in the recording's own key."""
    (told,) = net.activations(torch.from_numpy(x)[None])
    spread = told[0, :, :, start : start + length].numpy().std(axis=2)
    return net.rows_of(torch.from_numpy(spread)[None])[0].numpy()


def test_passages_are_what_the_blocks_tell_there_in_the_key_of_the_whole():
    net, x = covernet().net, chroma(3)  # 29 steps of 8 frames
    with torch.no_grad():
        whole, stretches, windows = (
            rows.numpy() for rows in net.passages(torch.from_numpy(x), [(80, 40), (16, 8)])
        )
        np.testing.assert_allclose(whole[0], embed.embed(net, x, crop_frames=None), atol=1e-6)
        assert len(stretches) == 5  # from step 0, 5, 10, 15, and the last from 19
        assert len(windows) == 28
        key = int((net.rows(torch.from_numpy(x)[None])[0].norm(dim=1)).argmax())
        for found, starts, length in ((stretches, (0, 5, 10, 15, 19), 10), (windows, range(28), 2)):
            for row, start in zip(found, starts, strict=True):
                slow = np.roll(slow_passage(net, x, start, length), -key, axis=0)
                np.testing.assert_allclose(row, slow.ravel(), atol=1e-5)


def test_passages_of_a_short_recording_are_the_whole():
    with torch.no_grad():
        whole, stretches = covernet().net.passages(torch.from_numpy(chroma(1, 80)), [(80, 40)])
    torch.testing.assert_close(stretches, whole)


def test_windows_of_a_recording_in_another_key_are_the_same_windows():
    network = covernet(frame_s=[4, 2])
    x = chroma(5)
    own, other = (hear(network, y, 4.0).windows for y in (x, roll_key(x, 5)))
    np.testing.assert_allclose(own, other, atol=1e-4)


def test_a_card_says_what_is_heard():
    x, net = chroma(2), covernet().net
    plain = hear(covernet(), x, 4.0)
    assert (plain.wholes.shape, plain.stretches, plain.windows) == ((1, 768), (), None)
    told = hear(covernet(tempo_factors=[1, 1.25], segment_s=[20, 10], frame_s=[4, 2]), x, 4.0)
    faster = embed.at_tempo(x, 1.25)
    for found, y in zip(told.wholes, (x, faster), strict=True):
        np.testing.assert_allclose(found, embed.embed(net, y, crop_frames=None), atol=1e-6)
    assert [len(s) for s in told.stretches] == [5, 4]  # of 29 and of 24 steps
    assert told.windows.shape == (28, 768)
    assert not hear(covernet(frame_s=[4, 2]), x, 4.0).stretches
    assert hear(covernet(segment_s=[20, 10]), x, 4.0).windows is None


def test_a_covernet_is_heard_in_stretches_and_windows_unless_its_card_says_otherwise():
    network = registry.untrained()
    assert (network.segment_s, network.frame_s) == ((40, 20), (4, 2))
    assert registry.resolve(None, "shipped").frame_s == (4, 2)
    told = hear(network, chroma(2), 4.0)  # 58 s
    assert [len(s) for s in told.stretches] == [2]
    assert told.windows.shape == (28, 768)


def test_half_a_second_is_heard_too():
    told = hear(
        covernet(tempo_factors=[1, 1.4], segment_s=[40, 20], frame_s=[4, 2]), chroma(1, 2), 4.0
    )
    assert np.isfinite(told.windows).all()
    np.testing.assert_allclose(np.linalg.norm(told.wholes, axis=1), 1, atol=1e-5)


def test_only_a_covernet_can_be_asked_for_passages():
    assert registry.untrained("cnn").segment_s is None
    network = registry.untrained("cnn").only(segment_s=[40, 20])
    with pytest.raises(InputError, match=r"segment_s on a model's card is for covernet, got .*cnn"):
        hear(network, np.zeros((128, 200), np.float32), 43.0)


@pytest.mark.parametrize("cut", [[3, 2], [4, 1], [8, 4]])
def test_windows_that_are_no_steps_of_the_blocks_are_refused(cut):
    with pytest.raises(InputError, match=r"frame_s on a model's card must be a multiple of 2 s"):
        hear(covernet(frame_s=cut), chroma(1), 4.0)


def test_what_was_heard_comes_back_from_its_bytes():
    told = hear(
        covernet(tempo_factors=[1, 0.8], segment_s=[20, 10], frame_s=[4, 2]), chroma(4), 4.0
    )
    back = Heard.from_bytes(told.to_bytes())
    np.testing.assert_array_equal(back.wholes, told.wholes)
    for found, stretches in zip(back.stretches, told.stretches, strict=True):
        np.testing.assert_array_equal(found, stretches)
    np.testing.assert_allclose(back.windows, told.windows, atol=1e-3)
    plain = Heard.from_bytes(Heard(told.wholes).to_bytes())
    assert (plain.stretches, plain.windows) == ((), None)


@pytest.mark.spark
def test_spark_hears_what_is_heard_here(spark, tmp_path):
    rows = [spectrogram_row(name, chroma(i, 100 + 40 * i)) for i, name in enumerate("ab")]
    frame = spark.createDataFrame(rows, SPECTROGRAMS.struct_type())
    torch.manual_seed(1)
    save_file(networks.build("covernet").state_dict(), str(tmp_path / "w.safetensors"))
    network = registry.resolve(None, str(tmp_path / "w.safetensors"))
    network = network.only(tempo_factors=[1.0, 0.8], segment_s=[10, 5], frame_s=[4, 2])
    found = {r["recording_id"]: r["heard"] for r in hearing.hear_rows(frame, network).collect()}
    assert sorted(found) == ["a", "b"]
    for row in rows:
        stored = quantize.tensor_of_row(dict(zip(SPECTROGRAMS.column_names, row, strict=True)))
        there, here = Heard.from_bytes(bytes(found[row[0]])), hear(network, stored, 4.0)
        np.testing.assert_allclose(there.wholes, here.wholes, atol=1e-5)
        np.testing.assert_allclose(there.stretches[1], here.stretches[1], atol=1e-5)
        np.testing.assert_allclose(there.windows, here.windows, atol=1e-3)
        slower = embed.embed(network.net, stretch_time(stored, 1.25), crop_frames=None)
        np.testing.assert_allclose(there.wholes[1], slower, atol=1e-5)


def test_nearest_stretches_count_as_much_as_wholes_as_in_loops():
    rng = np.random.default_rng(1)
    heard = [
        Heard(unit(rng.normal(size=(2, 24))), tuple(unit(rng.normal(size=(m, 24))) for m in ms))
        for ms in ((1, 2), (3, 1), (2, 2), (5, 4))
    ]
    found = scoring.of_heard(heard, 12)

    def nearest(asking, answering):
        return max(
            a @ np.roll(b.reshape(12, 2), s, axis=0).ravel()
            for a in asking
            for b in answering
            for s in range(12)
        )

    for i in range(4):
        for j in range(i):
            apart = []
            for own, other in (
                (heard[i], heard[j]),
                (heard[j], heard[i]),
            ):  # at all of its tempo_factors
                wholes = nearest(own.wholes, other.wholes[:1])
                stretches = nearest(np.concatenate(own.stretches), other.stretches[0])
                apart.append(np.sqrt(2 - wholes - stretches))
            assert found[i, j] == pytest.approx(np.mean(apart), abs=1e-4)


def test_recordings_whose_stretches_are_the_whole_are_as_near_as_their_wholes():
    wholes = unit(np.random.default_rng(0).normal(size=(3, 24)).astype(np.float32))
    heard = [Heard(x[None], (x[None],)) for x in wholes]
    np.testing.assert_allclose(
        scoring.of_heard(heard, 12), scoring.of_embeddings(wholes, 12), atol=1e-4
    )


def test_one_chorus_in_two_medleys_is_found_by_stretches_not_by_wholes():
    rng = np.random.default_rng(2)
    part = lambda: rng.random((36, 20)).repeat(8, axis=1).astype(np.float32)  # noqa: E731
    chorus = part()
    medleys = [np.concatenate([part(), part(), chorus, part()], axis=1) for _ in range(2)]
    medleys += [np.concatenate([part() for _ in range(4)], axis=1) for _ in range(4)]
    gaps = []
    for card in ({}, {"segment_s": [40, 40]}):
        d = scoring.of_heard([hear(covernet(**card), x, 4.0) for x in medleys], 12)
        others = np.delete(d[np.triu_indices(6, 1)], 0)  # the first is the pair that shares it
        gaps.append(others.min() - d[0, 1])
    assert gaps[1] > 0.1
    assert gaps[1] > gaps[0] + 0.1
