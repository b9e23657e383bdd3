"""A reference set: the nearest of a query, their scores, and how probable covers are."""

from dataclasses import replace

import numpy as np
import pytest

from covers.evaluation.systems import compare_pairs
from covers.models.card import Calibration, card_from_dict
from covers.models.model import EmbeddingModel
from covers.retrieval import index, search
from covers.retrieval.calibration import prior_among, probability
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.reference_reader import reference_set_of
from covers.retrieval.reference_set import Metadata, ReferenceSet
from covers.retrieval.scoring import Scores
from covers.retrieval.search import Query
from tests.retrieval.made import N, covernet, metadata, unit, works

SMALL, LARGE = 10, 20  # works: of too few recordings for cohort statistics, and of enough
LINE = Calibration(-9.0, 7.0, 3, 5)


def references(n_works, *, split="validation", lines=None, seed=0, noise=0.7):
    """Two recordings each of many works, near to each other and far from all others."""
    rng = np.random.default_rng(seed)
    centers = np.repeat(rng.normal(size=(n_works, 128)), 2, axis=0)
    tracks = unit(centers + rng.normal(scale=noise, size=centers.shape))
    ids = np.array([f"r{i}" for i in range(len(tracks))])
    about = {
        r: Metadata(f"title {i // 2}", "", f"w{i // 2}", split) for i, r in enumerate(ids.tolist())
    }
    card = replace(card_from_dict({"architecture": "cnn"}), calibration=lines or {})
    return ReferenceSet(EmbeddingModel("m", None, card), ids, tracks, about)


def query(vector):
    """A recording of this track embedding alone."""
    return TrackEmbeddings(np.atleast_2d(vector).astype(np.float32), 1)


def probabilities(found, scores, n_candidates=1):
    """What candidates of these first-stage scores have; None where nothing is calibrated."""
    scores = np.array(scores, float)
    odds = Scores(scores, scores if found.has_cohort else None, None).log_odds(found.calibration)
    return None if odds is None else probability(odds, prior_among(n_candidates))


@pytest.mark.parametrize(("n_works", "near", "far"), [(SMALL, 0.3, 1.4), (LARGE, -4, 0)])
def test_probabilities_come_from_validation_works_of_the_set(n_works, near, far):
    found = references(n_works)
    (line,) = found.calibration.values()
    assert line.n_covers == n_works
    of_near, of_far = probabilities(found, [near, far])
    assert of_near > 0.99
    assert of_far < 0.01


@pytest.mark.parametrize("split", ["train", "test"])
def test_neither_training_nor_test_works_are_calibrated_on(split):
    found = references(LARGE, split=split)
    assert found.calibration == {}
    assert probabilities(found, [-3.0]) is None
    chroma = np.ones((36, 40), np.float32)
    best, *_ = search.search(found, Query("q", query(found.tracks[7]), chroma))
    assert best.probability is None
    assert 0 <= best.random_pairs_nearer < 0.01


def test_few_validation_works_are_too_few():
    assert references(4).calibration == {}


@pytest.mark.parametrize(("n_works", "kind"), [(SMALL, "distance"), (LARGE, "s_norm")])
def test_the_line_of_the_card_comes_before_the_works_of_the_set(n_works, kind):
    for given in ("distance", "s_norm", "distance_alignment", "fused"):
        found = references(n_works, lines={given: LINE})
        assert found.calibration[given] == LINE
        taken = Scores(np.ones(1), np.ones(1) if found.has_cohort else None, None).log_odds(
            found.calibration
        )
        assert (taken.tolist() == [-2]) == (given == kind)


def test_without_references_only_the_card_can_give_a_probability():
    chroma = np.ones((36, 4), np.float32)
    a, b = (Query(x, query(np.eye(1, 128, i)), chroma) for i, x in enumerate("ab"))
    model = references(SMALL).model
    assert search.compare(a, b, model).probability is None
    found = search.compare(a, b, model.with_card(calibration={"distance": LINE}))
    assert found.probability == pytest.approx(1 / (1 + np.exp(9 * np.sqrt(2) - 7)), abs=1e-4)


@pytest.mark.parametrize(("n_works", "score"), [(SMALL, 0.9), (LARGE, -2.0)])
def test_the_same_score_is_less_probable_among_more_candidates(n_works, score):
    found = references(n_works)
    p = [probabilities(found, [score], n)[0] for n in (1, 100)]
    assert p[0] > p[1]


def test_in_a_small_set_the_nearest_come_first():
    found = references(SMALL)
    first = found.candidates(query(found.tracks[7]), 5)
    assert first.rows[:2].tolist() == [7, 6]
    assert first.scores.s_norm is None
    np.testing.assert_array_equal(first.scores.distance, first.scores.order_by)
    np.testing.assert_array_equal(first.scores.distance, np.sort(first.scores.distance))


def with_a_hub():
    """Pairs that all have something in common, and one recording that is nothing else."""
    found = references(LARGE, noise=1.5)
    common = np.eye(1, 128, dtype=np.float32)
    tracks = unit(np.concatenate([found.tracks + common, common]))
    about = {**found.metadata, "hub": Metadata()}
    return ReferenceSet(found.model, np.append(found.ids, "hub"), tracks, about)


def naive_s_norm(found, vector, row):
    """As one would write it down: both against the cohort, copies left out."""
    d = np.linalg.norm(vector - found.tracks[row])
    scores = []
    for own in (vector, found.tracks[row]):
        cohort = [np.linalg.norm(own - found.tracks[i]) for i in found.cohort]
        cohort = [x for x in cohort if x >= 0.4 * np.median(cohort)]
        scores.append((d - np.mean(cohort)) / np.std(cohort))
    return np.mean(scores)


def test_s_norm_of_a_search_is_as_in_loops():
    found = with_a_hub()
    vector = unit(found.tracks[4] + np.random.default_rng(0).normal(scale=0.03, size=128))
    first = found.candidates(query(vector), 6)
    for row, d, s in zip(first.rows, first.scores.distance, first.scores.s_norm, strict=True):
        assert d == pytest.approx(np.linalg.norm(vector - found.tracks[row]), abs=1e-3)
        assert s == pytest.approx(naive_s_norm(found, vector, row), abs=0.02)
    assert (np.diff(first.scores.s_norm) >= 0).all()


def test_a_recording_that_is_near_to_everything_is_nobodys_cover():
    found = with_a_hub()
    hub, ahead = len(found) - 1, {"distance": 0, "s_norm": 0}
    for row in range(0, hub, 2):
        to_all = index.distances_to(found.tracks[[row]], found.tracks, 1)
        order = found.candidates(query(found.tracks[row]), len(found)).rows.tolist()
        ahead["distance"] += to_all[hub] < to_all[row + 1]
        ahead["s_norm"] += order.index(hub) < order.index(row + 1)
    assert ahead["distance"] > LARGE / 2
    assert ahead["s_norm"] < ahead["distance"] / 4


def test_two_files_are_compared_with_the_cohort_of_the_references():
    found = references(LARGE)
    chroma = np.ones((36, 4), np.float32)
    a, b = (Query(str(i), query(found.tracks[i]), chroma) for i in (6, 7))
    pair = search.compare(a, b, found.model, found)
    naive = naive_s_norm(found, found.tracks[6], 7) + naive_s_norm(found, found.tracks[7], 6)
    assert pair.s_norm == pytest.approx(naive / 2, abs=0.02)
    small = search.compare(a, b, found.model, references(SMALL))
    assert small.s_norm is None
    assert small.distance == pytest.approx(
        np.linalg.norm(found.tracks[6] - found.tracks[7]), abs=1e-3
    )


def test_a_recording_is_the_nearest_of_its_own_vector():
    found = references(20)
    d = index.distances_to(found.tracks[[7]], found.tracks, 1)
    assert int(np.argmin(d)) == 7


def test_a_set_of_copies_alone_has_scores_too():
    found = references(LARGE)
    copies = replace(found, tracks=np.repeat(found.tracks[:1], len(found), axis=0))
    assert np.isfinite(copies.candidates(query(copies.tracks[0]), 3).scores.s_norm).all()


def test_where_all_are_near_to_one_another_they_are_no_copies():
    """A network that crowds its embeddings, within .45 of each other, and a copy of one of them."""
    found = references(LARGE)
    crowded = np.eye(1, 128, dtype=np.float32) * 3 + found.tracks
    crowded = unit(np.concatenate([crowded, crowded[:1] + 1e-3]))
    about = {**found.metadata, "copy": Metadata()}
    found = ReferenceSet(found.model, np.append(found.ids, "copy"), crowded, about)
    first = found.candidates(query(crowded[0]), len(found))
    assert first.scores.distance.max() < 0.5
    assert set(first.rows[:3].tolist()) == {0, 1, 40}
    non_covers = first.scores.s_norm[3:]
    assert abs(non_covers.mean()) < 0.5
    assert np.abs(non_covers).max() < 4


def full(n_works, missing=(), **card):
    """References with segments and frames, but for those that are missing, and all embeddings."""
    embeddings, names = works(n_works)
    named = {str(i): e for i, e in enumerate(embeddings)}
    model = covernet(**({"segment_s": (40, 20), "frame_s": (4, 2)} | card))
    found = reference_set_of(named, model, metadata(names))
    kept = {i: e for i, e in named.items() if int(i) not in missing}
    load = lambda ids: {i: kept[i] for i in ids if i in kept}  # noqa: E731
    return replace(found, load=load), embeddings


@pytest.mark.parametrize("n_works", [10, 20])
def test_a_reference_without_frames_is_ranked_without_alignment(n_works):
    found, embeddings = full(n_works, missing=(1, 9))
    rows = np.array([1, 0, 9, 4])
    scored = found.score(embeddings[0], rows)
    assert np.isnan(scored.scores.alignment).tolist() == [True, False, True, False]
    assert [a is None for a in scored.alignments] == [True, False, True, False]
    assert np.isfinite(scored.scores.fused).all()
    assert sorted(scored.order().tolist()) == [0, 1, 2, 3]
    if found.has_cohort:
        unaligned = np.isnan(scored.scores.alignment)
        np.testing.assert_array_equal(
            scored.scores.fused[unaligned], scored.scores.s_norm[unaligned]
        )
        # What was aligned stays in the unit of S-norm: the query's mean alignment is 0.
        everything = found.score(embeddings[0], np.arange(2, len(found)))
        assert abs(np.nanmean(everything.scores.alignment)) < 0.5
        assert np.nanstd(everything.scores.alignment) == pytest.approx(1, abs=0.3)


def test_a_set_without_any_frames_is_ranked_by_s_norm_alone():
    found, embeddings = full(20, missing=range(40))
    scored = found.score(embeddings[0], np.arange(5))
    np.testing.assert_array_equal(scored.scores.fused, scored.scores.s_norm)


def test_frames_without_segments_are_normalised_too():
    found, embeddings = full(20, segment_s=None)
    plain = [
        TrackEmbeddings(e.track, N, frames=e.frames, semitones=e.semitones) for e in embeddings
    ]
    found = replace(found, load=lambda ids: {i: plain[int(i)] for i in ids})
    scored = found.score(plain[0], np.arange(1, 40))  # all but the query, which is its own copy
    assert scored.scores.alignment.mean() == pytest.approx(0, abs=1e-3)
    assert scored.scores.alignment.std() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("n_works", [10, 15, 16, 20])
@pytest.mark.parametrize("precomputed", [True, False])
def test_a_query_in_its_own_list_counts_nowhere(n_works, precomputed):
    """The same scores as in a set without that row, also where the set is just large enough."""
    whole, embeddings = full(n_works)
    if precomputed:
        whole = whole.with_precomputed(compare_pairs(embeddings))
    kept = [i for i in range(len(embeddings)) if i != 3]
    named = {str(i): embeddings[i] for i in kept}
    without = reference_set_of(named, whole.model, {i: whole.metadata[i] for i in named})
    first, again = (
        whole.candidates(embeddings[3], 99, exclude=3),
        without.candidates(embeddings[3], 99),
    )
    assert whole.ids[first.rows].tolist() == without.ids[again.rows].tolist()
    np.testing.assert_allclose(first.scores.order_by, again.scores.order_by, atol=1e-4)
    own, other = (
        whole.score(embeddings[3], first.rows, exclude=3),
        without.score(embeddings[3], again.rows),
    )
    for name in ("distance", "s_norm", "alignment", "fused"):
        a, b = getattr(own.scores, name), getattr(other.scores, name)
        assert (a is None) == (b is None), name
        if a is not None:
            np.testing.assert_allclose(a, b, atol=2e-3, err_msg=name)
