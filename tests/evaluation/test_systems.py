"""Systems of an evaluation: its search is the search that users get, and a query's own row counts nowhere."""

from dataclasses import replace

import numpy as np
import pytest

from covers.evaluation import metrics, systems
from covers.evaluation.systems import EvaluationSet
from covers.models.card import Calibration
from covers.retrieval import search
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.reference_reader import reference_set_of
from covers.retrieval.search import Query
from covers.retrieval.storage import pack_sequences, unpack_sequences
from tests.retrieval.made import N, covernet, metadata, song, works

LINES = {
    kind: Calibration(slope, 1.0, 1, 1, alignment_slope)
    for kind, slope, alignment_slope in (
        ("distance", -5.0, 0.0), ("s_norm", -1.5, 0.0), ("distance_alignment", -5.0, 0.3), ("fused", -2.0, 0.0)
    )
}  # fmt: skip
MODELS = {
    "all levels": covernet(segment_s=(40, 20), frame_s=(4, 2), calibration=LINES),
    "no calibration": covernet(segment_s=(40, 20), frame_s=(4, 2)),
    "no frames": covernet(segment_s=(40, 20), calibration=LINES),
    "track alone": covernet(calibration=LINES),
}


def recordings(name, n_works=16, n_versions=2):
    """Made embeddings of the levels that the model has, and their works."""
    embeddings, names = works(n_works, n_versions)
    card = MODELS[name].card
    kept = [
        TrackEmbeddings(
            e.track,
            N,
            e.segments if card.segment_s else (),
            e.frames if card.frame_s else None,
            e.semitones,
        )
        for e in embeddings
    ]
    return MODELS[name], kept, names


def without(model, embeddings, names, row):
    """The references of a search by one recording: all others."""
    named = {str(i): e for i, e in enumerate(embeddings) if i != row}
    if not (model.card.segment_s or model.card.frame_s):  # nothing else is stored then
        found = reference_set_of(named, model, metadata(names))
        return replace(found, load=lambda ids: {})
    return reference_set_of(named, model, metadata(names))


def search_rows(model, embeddings, names, row, stored=None):
    """Rows that `search.search` returns for one recording, best first, and their matches."""
    references = without(model, embeddings if stored is None else stored, names, row)
    query = Query("q", embeddings[row], np.ones((36, 240), np.float32))
    found = search.search(references, query, len(references))
    return [int(m.recording_id) for m in found], found


@pytest.mark.parametrize("n_works", [8, 16])
@pytest.mark.parametrize("name", MODELS)
def test_an_evaluation_ranks_as_a_search_does(name, n_works):
    model, embeddings, names = recordings(name, n_works)
    result = systems.search_all(model, embeddings, names, systems.compare_pairs(embeddings))
    for row in range(0, len(embeddings), 5):
        d = result.distances[row]
        others = np.delete(np.arange(len(d)), row)
        found, matches = search_rows(model, embeddings, names, row)
        assert sorted(found) == others.tolist()
        np.testing.assert_allclose(d[found], np.sort(d[others]), atol=2e-3)
        assert found[0] == others[np.argmin(d[others])]
        if result.log_odds is not None:
            prior = np.log(1 / len(others))
            p = 1 / (1 + np.exp(-result.log_odds[row, found] - prior))
            np.testing.assert_allclose([m.probability for m in matches], p, atol=2e-3)


def test_an_evaluation_ranks_as_a_search_of_what_is_stored_in_8_bits():
    model, embeddings, names = recordings("all levels", 16)
    result = systems.search_all(model, embeddings, names, systems.compare_pairs(embeddings))
    stored = [
        replace(unpack_sequences(pack_sequences(e)), track=e.track) for e in embeddings
    ]  # tracks are stored in full
    for row in range(0, len(embeddings), 5):
        d = result.distances[row]
        found, _ = search_rows(model, embeddings, names, row, stored)
        np.testing.assert_allclose(d[found], np.sort(np.delete(d, row)), atol=0.1)
        assert names[found[0]] == names[row]


def test_an_evaluation_takes_the_candidates_that_a_search_takes(monkeypatch):
    """Of more than three times as many references as there are candidates."""
    monkeypatch.setattr(systems, "N_CANDIDATES", 12)
    model, embeddings, names = recordings("track alone", 32)
    result = systems.search_all(model, embeddings, names, systems.compare_pairs(embeddings))
    for row in (0, 17, 41):
        references = without(model, embeddings, names, row)
        first = references.candidates(embeddings[row], 12)
        candidates = {int(i) for i in references.ids[first.rows]}
        assert len(candidates) == 12
        assert candidates == set(np.flatnonzero(~np.isnan(result.log_odds[row])).tolist())
        order = np.argsort(result.distances[row], kind="stable")
        assert set(order[order != row][:12].tolist()) == candidates
        assert len(np.unique(result.distances[row])) == len(embeddings)


@pytest.mark.parametrize("n_works", [5, 15])  # 15: a cohort with the query, none without
@pytest.mark.parametrize("name", MODELS)
def test_metrics_are_the_same_whether_a_query_is_in_its_own_list_or_not(name, n_works):
    model, embeddings, names = recordings(name, n_works)
    result = systems.search_all(model, embeddings, names, systems.compare_pairs(embeddings))
    d = np.zeros_like(result.distances)
    for row in range(len(embeddings)):
        references = without(model, embeddings, names, row)
        first = references.candidates(embeddings[row])
        scored = references.score(embeddings[row], first.rows)
        d[row, [int(i) for i in references.ids[scored.rows]]] = scored.badness
    own, other = (metrics.per_query(x, names) for x in (result.distances, d))
    for metric in metrics.PER_QUERY:
        np.testing.assert_allclose(own[metric], other[metric], err_msg=metric)
    # And what stands in the diagonal is never read.
    changed = result.distances.copy()
    np.fill_diagonal(changed, -99.0)
    for metric, values in metrics.per_query(changed, names).items():
        np.testing.assert_array_equal(values, own[metric], err_msg=metric)


def test_coverage_is_the_share_of_covers_among_the_first_k_of_the_first_stage():
    model, embeddings, names = recordings("all levels", 16, 3)
    result = systems.search_all(model, embeddings, names, systems.compare_pairs(embeddings))
    shares = []
    for row in range(len(embeddings)):
        references = without(model, embeddings, names, row)
        first = references.ids[references.candidates(embeddings[row], 10).rows].astype(int)
        shares.append((names[first] == names[row]).sum() / 2)
    assert result.coverage[10] == pytest.approx(np.mean(shares))
    assert result.coverage[50] == result.coverage[500] == 1  # of 47 references
    assert set(result.coverage) == set(systems.COVERAGE_AT)


def test_candidate_pairs_are_those_with_log_odds():
    model, embeddings, names = recordings("all levels", 8)
    result = systems.search_all(model, embeddings, names, systems.compare_pairs(embeddings))
    odds, is_cover = systems.candidate_pairs(result, names)
    assert len(odds) == 16 * 15
    assert is_cover.sum() == 16
    assert odds[is_cover].mean() > odds[~is_cover].mean()
    odds, is_cover = systems.candidate_pairs(replace(result, log_odds=None), names)
    assert len(odds) == len(is_cover) == 0


def test_every_system_has_a_row_and_further_models_are_searches():
    model, embeddings, names = recordings("all levels", 4)
    chromas = [song(i, 8) for i in range(8)]
    both = {"model": model, "untrained": model}
    data = EvaluationSet(
        "s", [str(i) for i in range(8)], [""] * 8, names, chromas, both, dict.fromkeys(both, embeddings)
    )  # fmt: skip
    distances, result = systems.compare_systems(data)
    assert set(distances) == {
        "search", "exhaustive", "exhaustive_raw", "track", "alignment", "untrained", "raw_features",
        "fourier2d", "qmax", "qmax_s_norm", "exhaustive_qmax",
    }  # fmt: skip
    np.testing.assert_array_equal(distances["untrained"], distances["search"])
    np.testing.assert_array_equal(distances["search"], result.distances)
    assert all(d.shape == (8, 8) and np.isfinite(d).all() for d in distances.values())
    few, _ = systems.compare_systems(data, baselines=False)
    assert set(distances) - set(few) == {"fourier2d", "qmax", "qmax_s_norm", "exhaustive_qmax"}


def test_false_positives_are_the_nearest_non_covers_with_the_spans_they_share():
    rng = np.random.default_rng(0)
    chromas = [np.abs(rng.normal(size=(36, 480))).astype(np.float32) for _ in range(4)]
    chromas[2][:, 200:440] = chromas[0][:, 40:280]  # a minute of the first, 40 s later
    names = np.array(["a", "a", "b", "c"])
    data = EvaluationSet("s", list("pqrs"), ["one", "two", "three", "four"], names, chromas)
    d = np.ones((4, 4)) - np.eye(4)
    d[0, 1] = d[1, 0] = 0.1  # a cover
    d[0, 2] = d[2, 0] = 0.2
    first, *others = systems.false_positives(d, data)
    assert len(others) == 4
    assert (first["title_a"], first["title_b"], first["distance"]) == ("one", "three", 0.2)
    assert (first["recording_a"], first["recording_b"]) == ("p", "r")
    assert first["span_a"][0] == pytest.approx(10, abs=7)
    assert first["span_b"][0] == pytest.approx(50, abs=7)
