"""Local alignment of frame embeddings, and the best path of a matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covers.evaluation.metrics import per_query
from covers.evaluation.systems import EvaluationSet, compare_systems
from covers.models.card import card_from_dict
from covers.models.model import EmbeddingModel
from covers.retrieval import alignment, pairs
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.scoring import ALIGNMENT_WEIGHT
from tests.retrieval.made import unit

N, D = 12, 120  # transpositions, numbers of a frame


def random_frames(seed, n):
    return unit(np.random.default_rng(seed).normal(size=(n, D)))


def recording(own, roll=0):
    """A recording of these frames in another key; its track embedding is their mean."""
    rolled = np.roll(own.reshape(len(own), N, -1), roll, axis=1).reshape(own.shape)
    track = unit(rolled.mean(axis=0, keepdims=True))
    return TrackEmbeddings(track, N, frames=rolled, semitones=0)


def score(a, b):
    return alignment.align_frames(a, b).score


def naive_score(a, b):
    """The recursion as it is written: every cell, every predecessor."""
    s = a @ b.T
    n, m = s.shape
    gain, q = np.zeros((n, m)), np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            expected = max(np.quantile(s[i], 0.9), np.quantile(s[:, j], 0.9), 0.03)
            gain[i, j] = (s[i, j] - expected) / 0.03
            steps = [(i - 1, j - 1), (i - 2, j - 1), (i - 1, j - 2)]
            before = max([0.0, *(q[x, y] for x, y in steps if x >= 0 and y >= 0)])
            q[i, j] = max(before + gain[i, j], 0.0)
    return q.max() / np.sqrt(np.sqrt(n * m))


@settings(deadline=None)  # the first call compiles
@given(n=st.integers(1, 14), m=st.integers(1, 14), seed=st.integers(0, 99))
def test_the_score_equals_the_recursion_written_out(n, m, seed):
    a, b = random_frames(seed, n), random_frames(seed + 1000, m)
    b[: min(n, m) // 2] = a[: min(n, m) // 2]  # so that something is there to align
    assert score(a, b) == pytest.approx(naive_score(a, b), rel=1e-4, abs=1e-6)


def test_the_score_is_the_same_in_both_orders():
    a, b = random_frames(1, 30), random_frames(2, 40)
    b[5:20] = a[10:25]
    assert score(a, b) == pytest.approx(score(b, a), rel=1e-5)


def test_a_pair_no_more_similar_than_non_covers_or_than_the_rest_gains_nothing():
    s = np.full((20, 20), 0.02)
    s[0, 0] = 0.03
    assert alignment.frame_gains(s).max() <= 0
    everywhere = np.full((20, 20), 0.8)  # as two drones are
    assert alignment.frame_gains(everywhere).max() == 0
    assert alignment.frame_gains(s).dtype == np.float32


@pytest.mark.parametrize("speed", [1, 2])
def test_the_same_frames_in_order_score_more_than_shuffled_at_up_to_twice_the_speed(speed):
    a = random_frames(3, 40)
    shared = a[10:34:speed]
    b = np.concatenate([random_frames(4, 8), shared, random_frames(5, 8)])
    shuffled = b.copy()
    shuffled[8:-8] = np.random.default_rng(0).permutation(shared)
    in_order = score(a, b)
    assert in_order > 2 * score(a, shuffled)
    assert in_order > 4 * score(a, random_frames(6, len(b)))


@pytest.mark.parametrize("roll", [0, 1, 7])
def test_recordings_are_aligned_at_the_transposition_at_which_their_tracks_are_nearest(roll):
    a = random_frames(1, 30)
    recordings = [recording(a), recording(random_frames(2, 25)), recording(a, roll)]
    found = alignment.alignment_scores(recordings)
    np.testing.assert_array_equal(found, found.T)
    assert np.diag(found).tolist() == [0, 0, 0]
    assert found[0, 2] == pytest.approx(score(a, a), rel=1e-3)
    assert found[0, 2] > 4 * max(found[0, 1], found[1, 2])


def compared(recordings, works, segment_s=None, frame_s=None):
    """Distances of every system; the recordings are made, and so is the model."""
    card = {"architecture": "covernet", "segment_s": segment_s, "frame_s": frame_s}
    model = EmbeddingModel("made", None, card_from_dict(card))
    rng, n = np.random.default_rng(0), len(works)
    chromas = [rng.random((36, 40)).astype(np.float32) for _ in works]
    data = EvaluationSet(
        "s", [f"r{i}" for i in range(n)], [""] * n, np.array(works), chromas,
        {"model": model}, {"model": recordings},
    )  # fmt: skip
    return compare_systems(data, baselines=False)[0]


def test_a_network_with_frames_finds_covers_by_their_order():
    """Works of the same frames in several orders: track embeddings cannot tell them apart."""
    rng, with_frames, works = np.random.default_rng(7), [], []
    bag = random_frames(8, 30)
    for work in range(4):
        order = rng.permutation(30)
        for _ in range(2):
            noisy = unit(bag[order] + 0.02 * rng.normal(size=(30, D)))
            with_frames.append(TrackEmbeddings(recording(bag).track, N, frames=noisy))
            works.append(work)
    alone = [TrackEmbeddings(x.track, N) for x in with_frames]
    by_track, by_both = compared(alone, works), compared(with_frames, works, frame_s=[4, 2])
    np.testing.assert_array_equal(by_track["exhaustive_raw"], by_both["exhaustive_raw"])
    np.testing.assert_allclose(
        by_both["exhaustive"],
        (1 - ALIGNMENT_WEIGHT) * pairs.s_normalize(by_both["exhaustive_raw"])
        + ALIGNMENT_WEIGHT * pairs.s_normalize(-alignment.alignment_scores(with_frames)),
    )
    found = [per_query(d["exhaustive"], np.array(works))["map"].mean() for d in (by_track, by_both)]
    assert found[0] < 0.5
    assert found[1] == 1


@pytest.mark.parametrize("roll", [0, 5])
def test_what_two_recordings_share_is_found_in_both_in_any_key(roll):
    a, b = random_frames(1, 40), random_frames(2, 50)
    b[20:35] = a[4:19]
    other = TrackEmbeddings(recording(a, roll).track, N, frames=recording(b, roll).frames)
    found = alignment.align(recording(a), other)
    np.testing.assert_allclose([found.span_a, found.span_b], [(4, 18), (20, 34)], atol=2)
    assert (found.transposition - roll) % N == 0
    assert -5 <= found.transposition <= 6


@given(st.integers(0, 11), st.integers(0, 11))
def test_the_transposition_counts_both_canonical_transpositions(down_a, down_b):
    """Rows that were rolled down by different semitones: the second recording is so much higher."""
    own = random_frames(3, 12)
    a, b = (
        TrackEmbeddings(unit(own.mean(axis=0, keepdims=True)), N, frames=own, semitones=down)
        for down in (down_a, down_b)
    )
    found, swapped = alignment.align(a, b), alignment.align(b, a)
    assert (found.transposition - (down_b - down_a)) % 12 == 0
    assert (found.transposition + swapped.transposition) % 12 == 0
    assert (found.span_a, found.span_b) == (swapped.span_b, swapped.span_a)


def test_two_recordings_with_nothing_in_common_are_aligned_nowhere():
    found = alignment.align_frames(
        np.eye(5, 20, dtype=np.float32), np.eye(5, 20, 10, dtype=np.float32)
    )
    assert found == alignment.Alignment(0.0, (0, 0), (0, 0))


def test_a_recording_without_frames_cannot_be_aligned():
    a = recording(random_frames(1, 9))
    with pytest.raises(ValueError, match="must have frame embeddings to be aligned, got none"):
        alignment.align(a, TrackEmbeddings(a.track, N))


def test_many_recordings_are_aligned_as_each_alone():
    query, *others = (recording(random_frames(i, 20 + i)) for i in range(4))
    assert alignment.align_many(query, others) == [alignment.align(query, x) for x in others]
