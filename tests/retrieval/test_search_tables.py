"""What find_covers answers, for people and programs."""

import json
import re

import numpy as np
import pytest

from covers.retrieval import search, search_tables
from covers.retrieval.reference_reader import Tables, reference_set_of
from covers.retrieval.search import Query
from tests.evaluation.test_run import keys_of
from tests.retrieval.made import covernet, metadata, works


class Lake:
    """A lake in which every table is there; what is in them is patched."""

    def exists(self, table):
        return True


@pytest.fixture
def lake(monkeypatch):
    """Forty made references; the queries are other versions of them, named by number."""
    embeddings, names = works(40)
    model = covernet(segment_s=(40, 20), frame_s=(4, 2))
    named = {str(i): e for i, e in enumerate(embeddings[::2])}
    references = reference_set_of(named, model, metadata(names[::2]))
    chroma = np.ones((36, 240), np.float32)
    monkeypatch.setattr(search_tables.registry, "resolve", lambda lake, name: model)
    monkeypatch.setattr(
        search_tables, "read_references", lambda *_, **__: (references, Tables(None, None))
    )
    monkeypatch.setattr(
        search, "read_query", lambda path, model: Query(path, embeddings[2 * int(path) + 1], chroma)
    )
    return Lake()


def test_every_key_of_a_searchs_answer_is_an_identifier(lake):
    found = search_tables.search_lake(lake, "m", ["0", "7"], k=3)
    keys = keys_of(json.loads(json.dumps(found)))
    assert all(re.fullmatch("[a-z][a-z0-9_]*", k) for k in keys), keys
    assert {"query", "verdict", "probability", "span_query", "span_reference"} <= keys
    matches = found["details"]["matches"]
    assert [m["query"] for m in matches] == ["0"] * 3 + ["7"] * 3
    assert [m["recording_id"] for m in matches if m["rank"] == 1] == ["0", "7"]
    assert found["n_references"] == 40
    assert [v["query"] for v in found["verdicts"]] == ["0", "7"]


def test_every_key_of_a_comparison_is_an_identifier(lake):
    found = search_tables.compare_in_lake(lake, "m", ("3", "3"))
    keys = keys_of(json.loads(json.dumps(found)))
    assert all(re.fullmatch("[a-z][a-z0-9_]*", k) for k in keys), keys
    assert {"first", "second", "probability", "distance", "s_norm", "alignment"} <= keys
    assert {"transposition", "tempo_ratio", "span_a", "span_b"} <= keys
    assert found["n_references"] == 40
    assert found["s_norm"] < 0
