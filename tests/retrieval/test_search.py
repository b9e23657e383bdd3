"""What a search and a comparison answer: ranks, probabilities, and where two recordings match."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from covers.audio.augmentation.tensor import stretch_time
from covers.audio.features import roll_key
from covers.models.card import Calibration
from covers.models.model import load_pretrained
from covers.retrieval import search
from covers.retrieval.baselines import qmax
from covers.retrieval.embedding import extract_embeddings
from covers.retrieval.reference_reader import reference_set_of
from covers.retrieval.reference_set import Metadata
from covers.retrieval.search import Match, Place, Query
from tests.retrieval.made import covernet, keys_of, metadata, song, works

SHARED = song(1, 24)  # 60 s
HERE = np.concatenate([song(2, 12), SHARED], axis=1)  # shared from 0:30
THERE = roll_key(stretch_time(np.concatenate([SHARED, song(3, 12)], axis=1), 1.1), 4)  # to 1:06


@pytest.fixture(scope="module")
def model():
    return load_pretrained()


def query_of(model, chroma, path="q.wav"):
    return Query(path, extract_embeddings(model, chroma, 4.0), chroma)


@pytest.fixture(scope="module")
def query(model):
    return query_of(model, HERE)


@pytest.fixture(scope="module")
def chromas():
    return {"cover": THERE} | {f"song {i}": song(i, 36) for i in range(4, 9)}


@pytest.fixture(scope="module")
def references(model, chromas):
    embedded = {i: extract_embeddings(model, x, 4.0) for i, x in chromas.items()}
    about = {i: Metadata(f"title of {i}", "artist", "w", "test") for i in chromas}
    return reference_set_of(embedded, model, about)


def best(probability, title="", recording_id="r1"):
    return Match(1, recording_id, title, "", "", probability, 1.3, None, None, Place())


def test_no_cover_is_an_answer():
    assert search.verdict(best(0.001)).startswith('no cover found; the nearest, "r1"')
    assert search.verdict(best(0.8)) == 'a cover of "r1" (probability 80%)'
    assert search.verdict(best(0.8, "a song")) == 'a cover of "a song" (probability 80%)'
    assert "no probability without works" in search.verdict(best(None))


def test_the_cover_in_another_key_and_tempo_comes_first_with_where_it_matches(references, query):
    first, *others = search.search(references, query, 6)
    assert [m.rank for m in (first, *others)] == [1, 2, 3, 4, 5, 6]
    assert (first.recording_id, first.title) == ("cover", "title of cover")
    assert first.place.transposition == 4  # the reference is four semitones higher
    assert first.place.tempo_ratio == pytest.approx(1 / 1.1, abs=0.08)  # and slower
    np.testing.assert_allclose(first.place.span_query, [30, 90], atol=6)
    np.testing.assert_allclose(first.place.span_reference, [0, 66], atol=6)
    assert first.alignment > 5 * max(m.alignment for m in others)
    assert first.probability > max(m.probability for m in others)
    assert all(m.s_norm is None for m in (first, *others))  # six references are no cohort


def test_matches_are_ordered_by_probability_and_k_of_them_are_returned(references, query):
    found = search.search(references, query, 6)
    p = [m.probability for m in found]
    assert p == sorted(p, reverse=True)
    assert [m.recording_id for m in search.search(references, query, 2)] == [
        m.recording_id for m in found[:2]
    ]
    assert len(search.search(references, query, 99)) == 6


def test_probabilities_expect_one_cover_or_none_among_all_references(references, query):
    lines = {"distance": Calibration(-5.0, 5.0, 1, 1)}
    among = replace(references, model=references.model.with_card(calibration=lines))
    alone = replace(among, ids=among.ids[:1], tracks=among.tracks[:1])  # the cover is the first
    of_one, of_six = (search.search(x, query, 1)[0] for x in (alone, among))
    assert of_one.recording_id == of_six.recording_id == "cover"
    odds = [np.log(m.probability / (1 - m.probability)) for m in (of_one, of_six)]
    assert odds[0] - odds[1] == pytest.approx(np.log(6), abs=0.01)


def test_without_calibration_the_nearest_come_first_with_a_share_of_random_pairs(references, query):
    plain = replace(references, model=references.model.with_card(calibration={}))
    found = search.search(plain, query, 6)
    assert found[0].recording_id == "cover"
    assert {m.probability for m in found} == {None}
    distances = [m.distance for m in found]
    assert distances == sorted(distances)
    assert all(0 <= m.random_pairs_nearer <= 1 for m in found)
    assert found[0].random_pairs_nearer == 0


def test_a_match_ends_with_the_recording(model):
    x = SHARED[:, :233]  # 58.25 s
    own = query_of(model, x)
    references = reference_set_of({"x": own.embeddings}, model, {"x": Metadata()})
    (found,) = search.search(references, own, chromas={"x": x})
    assert found.place == Place((0, 58.25), (0, 58.25), 0, 1.0)


def test_a_model_without_frames_has_its_matches_from_chroma():
    model = covernet()
    own = query_of(model, SHARED)
    references = reference_set_of({"x": own.embeddings}, model, {"x": Metadata()})
    (found,) = search.search(references, own, chromas={"x": roll_key(SHARED, 3)})
    assert found.alignment is None
    a, b = (qmax.fold_frames(c) for c in (SHARED, roll_key(SHARED, 3)))
    span_a, span_b, _ = qmax.matching_spans(a, b)
    assert (found.place.span_query, found.place.span_reference) == (span_a, span_b)
    assert found.place.transposition == 3
    (unlocated,) = search.search(references, own)
    assert unlocated.place == Place()


MADE = covernet(segment_s=(40, 20), frame_s=(4, 2))


def made_references(n_works, missing=()):
    """References of made embeddings, the first version of each work; and queries, the second."""
    embeddings, names = works(n_works)
    named = {str(i): e for i, e in enumerate(embeddings[::2])}
    found = reference_set_of(named, MADE, metadata(names[::2]))
    kept = {i: e for i, e in named.items() if i not in missing}
    chroma = np.ones((36, 240), np.float32)
    queries = [Query(str(i), e, chroma) for i, e in enumerate(embeddings[1::2])]
    return replace(found, load=lambda ids: {i: kept[i] for i in ids if i in kept}), queries


@pytest.mark.parametrize("n_works", [12, 40])
def test_references_are_ordered_by_fused_scores_where_they_are_a_cohort(n_works):
    found, queries = made_references(n_works)
    for query in queries[:3]:
        matches = search.search(found, query, n_works)
        assert sorted(m.recording_id for m in matches) == sorted(found.ids)
        assert matches[0].recording_id == query.path
        if n_works == 40:
            fused = [0.5 * m.s_norm - 0.5 * m.alignment for m in matches]
            np.testing.assert_allclose(fused, np.sort(fused))
        else:
            assert matches[0].s_norm is None
            d = [m.distance for m in matches]
            assert d == sorted(d)


def test_alignment_reorders_the_candidates_of_the_first_stage():
    found, queries = made_references(40)
    moved = 0
    for query in queries[:8]:
        first = found.ids[found.candidates(query.embeddings, 40).rows].tolist()
        second = [m.recording_id for m in search.search(found, query, 40)]
        assert second.index(query.path) <= first.index(query.path)
        moved += first != second
    assert moved == 8


def test_only_candidates_of_the_first_stage_are_answers():
    found, queries = made_references(40)
    first = found.candidates(queries[0].embeddings, 5)
    matches = search.search(found, queries[0], 3, n_candidates=5)
    assert len(matches) == 3
    assert {m.recording_id for m in matches} <= set(found.ids[first.rows])


def test_a_reference_without_stored_sequences_is_ranked_without_alignment():
    found, queries = made_references(40, missing=("0", "5"))
    matches = {m.recording_id: m for m in search.search(found, queries[0], 40)}
    assert len(matches) == 40
    for name, match in matches.items():
        assert (match.alignment is None) == (name in ("0", "5"))
        assert (match.place == Place()) == (name in ("0", "5"))


SWAPPED = {"span_a": "span_b", "span_b": "span_a"}


@pytest.mark.parametrize("with_references", [False, True])
@pytest.mark.parametrize("other", ["cover", "song 4"])
def test_a_comparison_is_the_same_in_both_orders_but_for_what_is_swapped(
    model, references, query, chromas, other, with_references
):
    b = query_of(model, chromas[other])
    known = references if with_references else None
    there, back = (search.compare(x, y, model, known) for x, y in ((query, b), (b, query)))
    for name in ("probability", "distance", "alignment"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), abs=1e-4), name
    assert there.s_norm is back.s_norm is None
    assert (there.span_a, there.span_b) == (back.span_b, back.span_a)
    assert (there.transposition + back.transposition) % 12 == 0
    if there.tempo_ratio:
        assert there.tempo_ratio * back.tempo_ratio == pytest.approx(1, abs=0.01)


def test_a_comparison_with_a_cohort_is_the_same_in_both_orders():
    found, queries = made_references(40)
    a, b = queries[0], Query("b", found.load(["0"])["0"], queries[0].chroma)
    there, back = (search.compare(x, y, MADE, found) for x, y in ((a, b), (b, a)))
    assert there.s_norm == pytest.approx(back.s_norm, abs=1e-4)
    assert there.alignment == pytest.approx(back.alignment, abs=1e-4)
    assert there.s_norm < -2
    unrelated = search.compare(a, queries[7], MADE, found)
    assert there.s_norm < unrelated.s_norm
    assert there.alignment > unrelated.alignment


def test_a_comparison_tells_a_cover_in_another_key_and_tempo_from_another_song(
    model, query, chromas
):
    cover, other = (
        search.compare(query, query_of(model, chromas[x]), model) for x in ("cover", "song 4")
    )
    assert cover.probability > 0.9
    assert cover.probability > other.probability
    assert cover.distance < other.distance
    assert cover.transposition == 4
    assert cover.tempo_ratio == pytest.approx(1 / 1.1, abs=0.08)
    np.testing.assert_allclose([cover.span_a, cover.span_b], [(30, 90), (0, 66)], atol=6)


def test_matches_are_plain_data_whose_keys_are_identifiers(references, query):
    rows = [m.to_dict() for m in search.search(references, query, 3)]
    keys = keys_of(json.loads(json.dumps(rows)))
    assert all(re.fullmatch("[a-z][a-z0-9_]*", k) for k in keys), keys
    assert {"rank", "probability", "span_query", "span_reference", "transposition"} <= keys
    assert "place" not in keys
