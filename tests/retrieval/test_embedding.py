"""Embeddings of one recording: of the track at several tempi, of segments, of frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covers.audio.augmentation.tensor import stretch_time
from covers.audio.features import roll_key
from covers.models import factory
from covers.models.model import load_pretrained, untrained
from covers.retrieval import pairs
from covers.retrieval.embedding import (
    TrackEmbeddings,
    change_tempo,
    embed_track,
    extract_embeddings,
    repeat_to_length,
)
from tests.retrieval.made import covernet, song


def chroma(seed, n=232):
    return np.random.default_rng(seed).random((36, n)).astype(np.float32)


def test_a_transposed_recording_has_the_same_embedding():
    module, x = untrained().module, song(4, 30, 8)
    own = embed_track(module, x, crop_frames=None)
    for shift in range(12):
        found = embed_track(module, roll_key(x, shift), crop_frames=None)
        np.testing.assert_allclose(found, own, atol=1e-5)


def test_frames_of_a_recording_in_another_key_are_the_same_frames():
    model, x = covernet(frame_s=(4, 2)), chroma(5)
    own, other = (extract_embeddings(model, y, 4.0) for y in (x, roll_key(x, 5)))
    np.testing.assert_allclose(own.frames, other.frames, atol=1e-4)
    assert (other.semitones - own.semitones) % 12 == 5


def test_a_card_decides_what_is_extracted():
    x, module = chroma(2), covernet().module
    plain = extract_embeddings(covernet(), x, 4.0)
    assert (plain.track.shape, plain.segments, plain.frames) == ((1, 768), (), None)
    model = covernet(tempo_factors=(1, 1.25), segment_s=(20, 10), frame_s=(4, 2))
    found = extract_embeddings(model, x, 4.0)
    faster = change_tempo(x, 1.25)
    for row, y in zip(found.track, (x, faster), strict=True):
        np.testing.assert_allclose(row, embed_track(module, y, crop_frames=None), atol=1e-6)
    assert [len(s) for s in found.segments] == [5, 4]  # of 29 and of 24 steps
    assert found.frames.shape == (28, 768)
    assert not extract_embeddings(covernet(frame_s=(4, 2)), x, 4.0).segments
    assert extract_embeddings(covernet(segment_s=(20, 10)), x, 4.0).frames is None


def test_a_candidate_is_embedded_at_its_own_tempo_alone():
    model = covernet(tempo_factors=(1, 1.25), segment_s=(20, 10), frame_s=(4, 2))
    found = extract_embeddings(model, chroma(2), 4.0, tempo_factors=(1.0,))
    whole = extract_embeddings(model, chroma(2), 4.0)
    assert (len(found.track), len(found.segments)) == (1, 1)
    np.testing.assert_allclose(found.track, whole.track[:1], atol=1e-6)
    np.testing.assert_allclose(found.frames, whole.frames, atol=1e-6)


def test_a_covernet_extracts_segments_and_frames_unless_its_card_has_none():
    found = extract_embeddings(untrained(), chroma(2), 4.0)  # 58 s
    assert [len(s) for s in found.segments] == [2]
    assert found.frames.shape == (28, 768)


def test_the_shipped_card_has_three_tempi_segments_and_frames():
    found = extract_embeddings(load_pretrained(), song(1, 24), 4.0)
    assert (len(found.track), len(found.segments)) == (3, 3)
    assert found.frames is not None
    assert found.track.shape[1] == np.prod(load_pretrained().embedding_shape)


def test_half_a_second_is_embedded_too():
    model = covernet(tempo_factors=(1, 1.4), segment_s=(40, 20), frame_s=(4, 2))
    found = extract_embeddings(model, chroma(1, 2), 4.0)
    assert np.isfinite(found.frames).all()
    np.testing.assert_allclose(np.linalg.norm(found.track, axis=1), 1, atol=1e-5)
    alone = embed_track(untrained().module, song(1, 1, 2), crop_frames=None)
    assert np.linalg.norm(alone) == pytest.approx(1, abs=1e-5)


def test_a_network_that_sees_crops_averages_them():
    module = factory.build("cnn").eval()
    x = np.random.default_rng(0).random((128, 150)).astype(np.float32)
    found = embed_track(module, x, crop_frames=60)
    crops = np.stack([embed_track(module, c, crop_frames=None) for c in (x[:, :60], x[:, 60:120])])
    mean = crops.mean(axis=0)
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-5)


def test_a_recording_played_faster_is_nearer_once_queries_have_other_tempi():
    songs = [song(w, 20, 6) for w in range(6)]
    faster = [stretch_time(c, 0.8) for c in songs]
    near = []
    for factors in ((1.0,), (1.0, 0.8, 1.25)):
        model = covernet(tempo_factors=factors)
        tracks = [extract_embeddings(model, c, 4.0).track for c in (*songs, *faster)]
        near.append(pairs.track_distances(np.stack(tracks), 12))
    own, several = ([d[i, 6 + i] for i in range(6)] for d in near)
    assert np.mean(several) < 0.8 * np.mean(own)


def test_embeddings_come_back_from_their_bytes():
    model = covernet(tempo_factors=(1, 0.8), segment_s=(20, 10), frame_s=(4, 2))
    found = extract_embeddings(model, chroma(4), 4.0)
    back = TrackEmbeddings.from_bytes(found.to_bytes())
    np.testing.assert_array_equal(back.track, found.track)
    for rows, segments in zip(back.segments, found.segments, strict=True):
        np.testing.assert_array_equal(rows, segments)
    np.testing.assert_allclose(back.frames, found.frames, atol=1e-3)
    assert (back.n_transpositions, back.semitones) == (found.n_transpositions, found.semitones)
    plain = TrackEmbeddings.from_bytes(TrackEmbeddings(found.track, 12).to_bytes())
    assert (plain.segments, plain.frames) == ((), None)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"track": np.zeros(24)}, r"must be matrices of one width, got \[\(24,\)\]"),
        ({"frames": np.zeros((3, 12))}, r"of one width, got \[\(1, 24\), \(3, 12\)\]"),
        ({"track": np.zeros((1, 20))}, "must be 12 rows, got 20 numbers"),
    ],
)
def test_embeddings_that_do_not_fit_together_are_refused(arrays, words):
    with pytest.raises(ValueError, match=words):
        TrackEmbeddings(**({"track": np.zeros((1, 24)), "n_transpositions": 12} | arrays))


@given(st.integers(1, 40), st.integers(1, 40))
def test_a_short_recording_is_repeated_and_a_long_one_is_left_as_it_is(n, n_frames):
    x = np.arange(2 * n).reshape(2, n)
    found = repeat_to_length(x, n_frames)
    assert found.shape == (2, max(n, n_frames))
    for i in range(found.shape[1]):
        np.testing.assert_array_equal(found[:, i], x[:, i % n])
