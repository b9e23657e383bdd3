"""Distances of every two recordings of a set, beside loops."""

import numpy as np
import pytest

from covers.retrieval import pairs
from covers.retrieval.embedding import TrackEmbeddings, extract_embeddings
from tests.retrieval.made import covernet, song, unit


def test_s_norm_is_the_mean_of_both_recordings_scores():
    d = pairs.symmetrize(np.random.default_rng(0).random((6, 6)))
    found = pairs.s_normalize(d)
    for i, j in ((0, 1), (2, 5)):
        of_i, of_j = (np.delete(d[k], k) for k in (i, j))
        scores = [(d[i, j] - x.mean()) / x.std() for x in (of_i, of_j)]
        assert found[i, j] == pytest.approx(np.mean(scores))


def test_s_norm_of_track_embeddings_is_as_in_loops():
    """Queries at two tempi, candidates at their own; the statistics of each without itself."""
    x = unit(np.random.default_rng(3).normal(size=(6, 2, 24)))
    found = pairs.track_s_norm(x, 1)
    asked = np.array([[min(np.linalg.norm(q - b[0]) for q in a) for b in x] for a in x])
    own = np.array([[np.linalg.norm(a[0] - b[0]) for b in x] for a in x])
    for i in range(6):
        for j in range(i):
            both = []
            for a, b in ((i, j), (j, i)):
                of_a, of_b = np.delete(asked[a], a), np.delete(own[b], b)
                both += [(asked[a, b] - of.mean()) / of.std() for of in (of_a, of_b)]
            assert found[i, j] == pytest.approx(np.mean(both), abs=1e-3)


def test_fusing_a_system_with_itself_in_another_unit_is_the_system():
    d = pairs.symmetrize(np.random.default_rng(1).random((6, 6)))
    np.testing.assert_allclose(pairs.fuse(d, 40 * d), pairs.s_normalize(d), atol=1e-12)


def test_fusion_is_right_where_each_system_is_right_once():
    """Recordings 0 and 1, 2 and 3 are covers; each system takes one of them for another song."""
    equal = np.full((4, 4), 1.0)
    one, other = equal.copy(), equal.copy()
    for d, (right, wrong) in ((one, ((0, 1), (2, 1))), (other, ((2, 3), (0, 3)))):
        d[right], d[wrong] = 0.1, 0.8
    fused = pairs.fuse(*(np.minimum(d, d.T) for d in (one, other)))
    assert fused[0].argsort()[0] == 1
    assert fused[2].argsort()[0] == 3


def test_distances_at_several_tempi_are_as_in_loops():
    """Each of a pair is the query once at all its tempi, and the other answers at its own."""
    x = unit(np.random.default_rng(0).normal(size=(5, 3, 24)))
    found = pairs.track_distances(x, 1)
    for i in range(5):
        for j in range(i):
            asked = [min(np.linalg.norm(q - x[b, 0]) for q in x[a]) for a, b in ((i, j), (j, i))]
            assert found[i, j] == pytest.approx(np.mean(asked), abs=1e-5)
    np.testing.assert_allclose(
        pairs.track_distances(x[:, :1], 1), pairs.track_distances(x[:, 0], 1), atol=1e-6
    )


def naive_similarity(asked, answers):
    """The largest similarity of any two rows, at any transposition."""
    return max(
        a @ np.roll(b.reshape(12, -1), s, axis=0).ravel()
        for a in asked
        for b in answers
        for s in range(12)
    )


def test_the_most_similar_segments_count_as_much_as_tracks_as_in_loops():
    rng = np.random.default_rng(1)
    made = [
        TrackEmbeddings(
            unit(rng.normal(size=(2, 24))), 12, tuple(unit(rng.normal(size=(m, 24))) for m in ms)
        )
        for ms in ((1, 2), (3, 1), (2, 2), (5, 4))
    ]
    found = pairs.embedding_distances(made)
    for i in range(4):
        for j in range(i):
            both = []
            for own, other in ((made[i], made[j]), (made[j], made[i])):  # own: at all its tempi
                track = naive_similarity(own.track, other.track[:1])
                segments = naive_similarity(np.concatenate(own.segments), other.segments[0])
                both.append(np.sqrt(2 - track - segments))
            assert found[i, j] == pytest.approx(np.mean(both), abs=1e-4)


def test_recordings_whose_only_segment_is_the_track_have_the_distances_of_their_tracks():
    tracks = unit(np.random.default_rng(0).normal(size=(3, 24)))
    made = [TrackEmbeddings(x[None], 12, (x[None],)) for x in tracks]
    np.testing.assert_allclose(
        pairs.embedding_distances(made), pairs.track_distances(tracks, 12), atol=1e-4
    )


def test_one_chorus_in_two_medleys_is_found_by_segments_not_by_tracks():
    numbers = iter(range(99))

    def section():
        return song(next(numbers), 20, 8)

    chorus = section()
    medleys = [np.concatenate([section(), section(), chorus, section()], axis=1) for _ in range(2)]
    medleys += [np.concatenate([section() for _ in range(4)], axis=1) for _ in range(4)]
    gaps = []
    for card in ({}, {"segment_s": (40, 40)}):
        model = covernet(**card)
        d = pairs.embedding_distances([extract_embeddings(model, x, 4.0) for x in medleys])
        others = np.delete(d[np.triu_indices(6, 1)], 0)  # the first is the pair that shares it
        gaps.append(others.min() - d[0, 1])
    assert gaps[1] > 0.1
    assert gaps[1] > gaps[0] + 0.1
