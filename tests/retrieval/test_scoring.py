"""The one scorer: similarities in both directions, S-norm, alignment, log odds; beside loops."""

import numpy as np
import pytest

from covers.models.card import Calibration
from covers.retrieval import scoring
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.score_norm import cohort_stats, mask_copies
from covers.retrieval.scoring import Direction, Scores, Similarities
from tests.retrieval.made import unit


def recordings(counts, seed=0, width=24):
    """Made embeddings with so many segments at each tempo."""
    rng = np.random.default_rng(seed)
    return [
        TrackEmbeddings(
            unit(rng.normal(size=(len(ms), width))),
            12,
            tuple(unit(rng.normal(size=(m, width))) for m in ms),
        )
        for ms in counts
    ]


def naive_similarity(asked, answers):
    """The largest similarity of any two rows, at any transposition."""
    return max(
        float(a @ np.roll(b.reshape(12, -1), s, axis=0).ravel())
        for a in asked
        for b in answers
        for s in range(12)
    )


QUERY, *CANDIDATES = recordings([(2, 1, 3), (1, 2, 2), (4, 1, 1), (1, 1, 5), (2, 3, 1)])


def test_track_similarities_take_the_query_at_its_best_tempo_as_in_loops():
    tracks = np.stack([c.track[0] for c in CANDIDATES])
    found = scoring.track_similarities(QUERY.track, tracks, 12)
    naive = [naive_similarity(QUERY.track, c.track[:1]) for c in CANDIDATES]
    np.testing.assert_allclose(found, naive, atol=1e-6)


def test_reversed_track_similarities_take_candidates_at_their_best_tempo_as_in_loops():
    found = scoring.track_similarities_reversed(QUERY, CANDIDATES)
    naive = [naive_similarity(QUERY.track[:1], c.track) for c in CANDIDATES]
    np.testing.assert_allclose(found, naive, atol=1e-6)


def test_segment_similarities_are_as_in_loops_in_both_directions():
    forward = scoring.segment_similarities(QUERY, CANDIDATES)
    backward = scoring.segment_similarities_reversed(QUERY, CANDIDATES)
    for i, c in enumerate(CANDIDATES):
        all_tempi = np.concatenate(QUERY.segments), np.concatenate(c.segments)
        assert forward[i] == pytest.approx(
            naive_similarity(all_tempi[0], c.segments[0]), abs=1e-6
        )  # fmt: skip
        assert backward[i] == pytest.approx(
            naive_similarity(QUERY.segments[0], all_tempi[1]), abs=1e-6
        )


def test_a_direction_is_the_reverse_of_the_other_recordings():
    for c in CANDIDATES:
        there = (
            scoring.segment_similarities(QUERY, [c]),
            scoring.track_similarities(QUERY.track, c.track[:1], 12),
        )
        back = (
            scoring.segment_similarities_reversed(c, [QUERY]),
            (scoring.track_similarities_reversed(c, [QUERY])),
        )
        np.testing.assert_allclose(there, back, atol=1e-6)


def test_distances_of_two_sets_are_as_in_loops():
    a = unit(np.random.default_rng(1).normal(size=(3, 24)))
    b = unit(np.random.default_rng(2).normal(size=(4, 24)))
    found = scoring.track_distance_matrix(a, b, 12)
    for i, j in np.ndindex(3, 4):
        naive = np.sqrt(2 - 2 * naive_similarity(a[[i]], b[[j]]))
        assert found[i, j] == pytest.approx(naive, abs=1e-5)


def made(m, seed, *, segments=True, backward=True, alignment=True):
    """Similarities of m references: some are copies, and one could not be aligned."""
    rng = np.random.default_rng(seed)

    def direction():
        track = rng.uniform(-0.2, 0.6, size=m)
        track[:2] = 0.999
        return Direction(
            track, np.maximum(track, rng.uniform(0, 0.7, size=m)) if segments else None
        )

    aligned = rng.normal(5, 2, size=m)
    aligned[-1] = np.nan
    return Similarities(
        direction(), direction() if backward else None, aligned if alignment else None
    )


def naive_distance(similar, i):
    both = []
    for direction in (similar.forward, similar.backward):
        if direction is not None:
            mean = direction.track[i]
            if direction.segments is not None:
                mean = (mean + direction.segments[i]) / 2
            both.append(np.sqrt(max(2 - 2 * mean, 1e-7)))
    return sum(both) / len(both)


def naive_scores(candidates, cohort, candidate_stats):
    """Distance, S-norm, alignment and fused score of each candidate, as one would write them down."""
    to_cohort = [naive_distance(cohort, j) for j in range(len(cohort.forward.track))]
    is_copy = [d < 0.4 * np.median(to_cohort) for d in to_cohort]
    kept = [d for d, copy in zip(to_cohort, is_copy, strict=True) if not copy]
    aligned_cohort = [
        a for a, copy in zip(cohort.alignment, is_copy, strict=True) if not copy and not np.isnan(a)
    ]
    rows = []
    for i in range(len(candidates.forward.track)):
        d = naive_distance(candidates, i)
        of_query = (d - np.mean(kept)) / np.std(kept)
        of_candidate = (d - candidate_stats.mean[i]) / candidate_stats.std[i]
        s = (of_query + of_candidate) / 2
        a = (candidates.alignment[i] - np.mean(aligned_cohort)) / np.std(aligned_cohort)
        rows.append((d, s, a, s if np.isnan(a) else 0.5 * s - 0.5 * a))
    return np.array(rows).T


@pytest.mark.parametrize("segments", [True, False])
@pytest.mark.parametrize("backward", [True, False])
def test_scores_are_normalised_on_both_sides_without_copies_as_in_loops(segments, backward):
    levels = {"segments": segments, "backward": backward}
    candidates, cohort = made(6, 1, **levels), made(40, 2, **levels)
    d = np.random.default_rng(3).uniform(0.8, 1.5, size=(6, 40))
    d[:, 0] = 0.1  # a copy of each candidate
    stats = cohort_stats(mask_copies(d))
    np.testing.assert_allclose(stats.mean, d[:, 1:].mean(axis=1))
    found = scoring.score(candidates, cohort, stats)
    expected = naive_scores(candidates, cohort, stats)
    for values, naive in zip(
        (found.distance, found.s_norm, found.alignment, found.fused), expected, strict=True
    ):
        np.testing.assert_allclose(values, naive, atol=2e-5)


def test_without_a_cohort_scores_are_distances_and_raw_alignments():
    candidates = made(6, 1)
    found = scoring.score(candidates)
    assert found.s_norm is None
    naive = [naive_distance(candidates, i) for i in range(6)]
    np.testing.assert_allclose(found.distance, naive, atol=1e-5)
    np.testing.assert_array_equal(found.alignment, candidates.alignment)
    np.testing.assert_array_equal(found.fused, found.distance)


@pytest.mark.parametrize("unaligned", ["no frames", "copies alone"])
def test_alignments_that_no_cohort_normalises_are_left_out(unaligned):
    """Raw alignments have another unit than S-norm: neither the order nor a line may mix them."""
    candidates, cohort = made(6, 1), made(40, 2, alignment=unaligned != "no frames")
    if unaligned == "copies alone":
        cohort.alignment[2:] = np.nan
    found = scoring.score(candidates, cohort, cohort_stats(np.random.default_rng(0).random((6, 9))))
    assert found.alignment is None
    np.testing.assert_array_equal(found.fused, found.s_norm)


LINE = Calibration(-9.0, 7.0, 3, 5)


def test_aligned_candidates_take_the_line_with_alignment_and_the_rest_the_other():
    aligned = np.array([np.nan, 0.0, 3.0])
    scores = Scores(np.ones(3), np.ones(3), aligned)
    fused = Calibration(-2.0, 1.0, 3, 5)
    odds = scores.log_odds({"s_norm": LINE, "fused": fused})
    np.testing.assert_allclose(odds, [-2, 1 - 2 * 0.5, 1 + 2 * 1.0])
    assert scores.log_odds({"s_norm": LINE}).tolist() == [-2, -2, -2]
    assert scores.log_odds({"fused": fused})[0] == 1 - 2 * 1.0  # its fused score is its S-norm
    raw = Scores(np.ones(3), None, aligned)
    both = Calibration(-9.0, 1.0, 3, 5, 2.0)
    assert raw.log_odds({"distance": LINE, "distance_alignment": both}).tolist() == [-2, -8, -2]


def test_no_line_that_fits_gives_no_log_odds():
    scores = Scores(np.ones(2), None, None)
    assert scores.log_odds({}) is None
    assert scores.log_odds({"s_norm": LINE, "fused": LINE, "distance_alignment": LINE}) is None
    assert scores.log_odds({"distance": LINE}).tolist() == [-2, -2]
