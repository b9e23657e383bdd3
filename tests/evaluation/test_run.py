"""The summary of an evaluation, for people and programs."""

import json
import re
from types import SimpleNamespace

import pytest

from covers.evaluation.run import evaluate_set
from covers.evaluation.systems import EvaluationSet
from tests.retrieval.made import covernet, keys_of, song, works


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    embeddings, names = works(4)
    ids = [f"r{i}" for i in range(8)]
    model = covernet(segment_s=(40, 20), frame_s=(4, 2))
    data = EvaluationSet(
        "made", ids, ids, names, [song(i, 8) for i in range(8)], {"model": model}, {"model": embeddings}
    )  # fmt: skip
    lake = SimpleNamespace(exists=lambda table: False, inputs={})
    report = tmp_path_factory.mktemp("report") / "report.html"
    return evaluate_set(lake, data, baselines=True, seed=1, report_path=str(report))


def test_every_key_of_the_summary_is_an_identifier(evaluated):
    keys = keys_of(json.loads(json.dumps(evaluated.summary)))
    assert all(re.fullmatch("[a-z][a-z0-9_]*", k) for k in keys), keys
    assert {"coverage", "leaderboard", "differences", "systems", "triplet_accuracy"} <= keys


def test_the_summary_says_what_was_evaluated(evaluated):
    summary = evaluated.summary
    assert (summary["data_set"], summary["recordings"], summary["works"]) == ("made", 8, 4)
    assert [row["candidates"] for row in summary["coverage"]] == [10, 50, 100, 500]
    assert {row["minus"] for row in summary["differences"]} >= {"exhaustive", "qmax"}
    assert {row[3] for row in evaluated.rows} == set(summary["systems"])


def test_the_report_is_one_page_that_loads_nothing(evaluated):
    with open(evaluated.summary["report"]) as file:
        page = file.read()
    assert "Does the network find covers? made" in page
    assert "<svg" in page
    assert not re.search(r'(src|href)="http', page)
