"""The shipped model's answers on fixed recordings stay what they are, whatever the code is called.

Set COVERS_GOLDEN=write to record them anew, and say in the commit which changed and by how much.
"""

import os

import numpy as np
import pytest

from covers.models import registry
from covers.retrieval import embed
from covers.retrieval.search import compare_pair, search
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from tests.golden import made
from tests.rows import recording_row, spectrogram_row

WRITES = os.environ.get("COVERS_GOLDEN") == "write"


@pytest.fixture(scope="module")
def dozen():
    return made.dozen()


@pytest.fixture(scope="module")
def found(dozen):
    found = made.judged(dozen)
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


def seconds(clock):
    """Turn 0:30 to 1:01 into seconds."""
    return [60 * int(m) + int(s) for m, s in (x.split(":") for x in clock.split(" to "))]


@pytest.fixture
def filled(lake, dozen):
    """A lake that the shipped model has embedded: the dozen, and others to normalise scores by."""
    rows = [*dozen, *made.others()]
    lake.upsert_rows([recording_row(i, w, "test", title=w) for i, w, _ in rows], RECORDINGS)
    lake.upsert_rows([spectrogram_row(i, x) for i, _, x in rows], SPECTROGRAMS)
    network = registry.resolve(lake, "shipped")
    new = embed.embed_rows(
        lake.read(SPECTROGRAMS), network.model_id, network.config, network.weights
    )
    lake.upsert(new, EMBEDDINGS)
    return lake


def compared(answers, golden):
    """Compare answers, lists of {id, distance, s_norm, probability, here, there}, with the golden ones."""
    assert [a.get("id") for a in answers] == [a.get("id") for a in golden]
    for answer, right in zip(answers, golden, strict=True):
        for name in ("distance", "s_norm", "probability"):
            assert answer[name] == pytest.approx(right[name], abs=2e-3), (answer, right)
        for name in ("here", "there"):
            np.testing.assert_allclose(answer[name], right[name], atol=1, err_msg=str(right))


def answer(row):
    return {
        "id": row.get("recording"), "distance": row["distance"], "s_norm": row["s_norm"],
        "probability": row["probability"], "here": seconds(row["match here"]),
        "there": seconds(row["match there"]),
    }  # fmt: skip


@pytest.mark.spark
def test_a_search_and_a_pair_answer_as_recorded(filled, tmp_path):
    a, b, stranger = (made.write_audio(tmp_path, *x) for x in ((0, 3), (0, 4), (99, 0)))
    rows = search(filled, "shipped", [a, stranger], top=5)
    found = {
        "search": [answer(r) for r in rows[a]],
        "search_stranger": [answer(r) for r in rows[stranger]],
        "pair": [answer(compare_pair(filled, "shipped", (a, b)))],
        "pair_stranger": [answer(compare_pair(filled, "shipped", (a, stranger)))],
    }
    if WRITES:
        made.write(**found)
    for name, answers in found.items():
        compared(answers, made.load()[name])
