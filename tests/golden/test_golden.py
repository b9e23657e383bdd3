"""The shipped model's answers on fixed recordings stay what they are, whatever the code is called.

Set COVERS_GOLDEN=write to record them anew, and say in the commit which changed and by how much.
"""

import os

import numpy as np
import pytest

from covers.io.lake import Lake
from covers.models import registry
from covers.retrieval import embeddings_table
from covers.retrieval.search_tables import compare_in_lake, search_lake
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.sequence_embeddings import SEQUENCE_EMBEDDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from tests.golden import made
from tests.rows import recording_row, spectrogram_row

WRITES = os.environ.get("COVERS_GOLDEN") == "write"


@pytest.fixture(scope="module")
def dozen():
    return made.dozen()


@pytest.fixture(scope="module")
def found(dozen):
    found = made.evaluated(dozen)
    if WRITES:
        made.write(**found)
    return found


def test_embeddings_are_the_golden_ones(found):
    golden = made.load()["embeddings"]
    assert set(golden) == set(found["embeddings"])
    for name, vector in found["embeddings"].items():
        np.testing.assert_allclose(vector, golden[name], atol=2e-5)


def test_distances_of_every_system_are_the_golden_ones(found):
    golden = made.load()["distances"]
    assert set(golden) == set(found["distances"])
    for system, distances in found["distances"].items():
        np.testing.assert_allclose(distances, golden[system], atol=2e-4, err_msg=system)


def test_map_of_every_system_is_the_golden_one(found):
    golden = made.load()["map"]
    assert found["map"] == pytest.approx(golden, abs=1e-6)


@pytest.fixture(scope="module")
def filled(spark, dozen, tmp_path_factory):
    """A lake that the shipped model has embedded: the dozen, and others to normalise scores by."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("golden") / "lake"))
    rows = [*dozen, *made.others()]
    lake.upsert_rows([recording_row(i, w, "test", title=w) for i, w, _ in rows], RECORDINGS)
    lake.upsert_rows([spectrogram_row(i, x) for i, _, x in rows], SPECTROGRAMS)
    model = registry.resolve(lake, "shipped")
    spectrograms = lake.read(SPECTROGRAMS)
    lake.upsert(embeddings_table.embed_rows(spectrograms, model), EMBEDDINGS)
    lake.upsert(embeddings_table.sequence_rows(spectrograms, model), SEQUENCE_EMBEDDINGS)
    return lake


def assert_equal(answers, golden):
    """Compare answers, dicts of scores and spans, with the golden ones."""
    assert [a.get("recording_id") for a in answers] == [a.get("recording_id") for a in golden]
    for answer, right in zip(answers, golden, strict=True):
        assert answer["transposition"] == right["transposition"]
        for name in ("distance", "s_norm", "alignment", "probability"):
            assert answer[name] == pytest.approx(right[name], abs=5e-3), (answer, right)
        for name in SPANS & set(answer):
            np.testing.assert_allclose(answer[name], right[name], atol=1, err_msg=str(right))


SPANS = {"span_query", "span_reference", "span_a", "span_b"}
KEPT = {
    "recording_id", "distance", "s_norm", "alignment", "probability", "transposition", *SPANS,
}  # fmt: skip


def select(row):
    return {k: row[k] for k in sorted(KEPT & set(row))}


@pytest.mark.spark
def test_a_search_and_a_pair_answer_as_recorded(filled, tmp_path):
    a, b, unrelated = (made.write_audio(tmp_path, *x) for x in ((0, 3), (0, 4), (99, 0)))
    rows = search_lake(filled, "shipped", [a, unrelated], k=5)["details"]["matches"]
    found = {
        "search": [select(r) for r in rows if r["query"] == a],
        "search_unrelated": [select(r) for r in rows if r["query"] == unrelated],
        "pair": [select(compare_in_lake(filled, "shipped", (a, b)))],
        "pair_unrelated": [select(compare_in_lake(filled, "shipped", (a, unrelated)))],
    }
    if WRITES:
        made.write(**found)
    for name, answers in found.items():
        assert_equal(answers, made.load()[name])
