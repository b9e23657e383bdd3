"""Metrics of systems as rows, leaderboards and JSON."""

import json
import re

import numpy as np
import pytest

from covers.evaluation import leaderboard, metrics
from covers.evaluation.benchmark import costs_of
from covers.models import factory
from covers.models.model import untrained

WORKS = np.array(["a", "a", "b", "b"])
DISTANCES = {"search": 1.0 - (WORKS[:, None] == WORKS[None]), "qmax": np.ones((4, 4))}


def evaluated():
    return leaderboard.evaluate(DISTANCES, WORKS, seed=1)


def test_leaderboard_shows_costs_beside_metrics_where_any_system_has_them():
    results = leaderboard.evaluate({"good": DISTANCES["search"]}, WORKS, seed=1)
    assert "n_parameters" not in leaderboard.leaderboard(results)[0]
    results["good"]["n_parameters"] = leaderboard.point(85_953.0)
    of_good, of_chance = leaderboard.leaderboard(results)
    assert of_good["map"] == "1.000 (1.000-1.000)"
    assert of_good["n_parameters"] == "85,953"
    assert of_chance["n_parameters"] == ""


def test_the_best_map_comes_first_under_the_systems_display_name():
    first, *_ = leaderboard.leaderboard(evaluated())
    assert first["system"] == "search (what find_covers ranks)"


def test_metrics_are_the_means_over_queries():
    results = evaluated()
    assert set(results) == {"chance", "search", "qmax"}
    for system, d in DISTANCES.items():
        for name, values in metrics.per_query(d, WORKS).items():
            assert results[system][name]["value"] == pytest.approx(values.mean())
            assert results[system][name]["n"] == 4


def test_differences_are_those_of_map_to_every_other_system():
    (row,) = leaderboard.differences(DISTANCES, WORKS, "search", seed=1)
    assert (row["system"], row["minus"]) == ("search", "qmax")
    results = evaluated()
    gap = results["search"]["map"]["value"] - results["qmax"]["map"]["value"]
    assert row["map_difference"] == pytest.approx(gap)
    assert row["low"] <= row["map_difference"] <= row["high"]


def test_rows_leave_out_what_is_not_finite():
    results = evaluated()
    results["qmax"]["map"]["value"] = float("nan")
    rows = leaderboard.evaluation_rows(results, evaluation_id="e", data_set="d", setting="s")
    named = {(system, metric) for _, _, _, system, metric, *_ in rows}
    assert ("search", "map") in named
    assert ("qmax", "map") not in named
    assert all(np.isfinite(row[5]) for row in rows)


def test_keys_of_results_are_identifiers():
    results = json.loads(json.dumps(evaluated()))
    keys = set(results) | {m for x in results.values() for m in x}
    keys |= {k for x in results.values() for m in x.values() for k in m}
    keys |= {k for row in leaderboard.leaderboard(evaluated()) for k in row}
    keys |= {k for row in leaderboard.differences(DISTANCES, WORKS, "search", seed=1) for k in row}
    assert all(re.fullmatch("[a-z][a-z0-9_]*", k) for k in keys), keys


@pytest.mark.parametrize("name", ["covernet", "cqtnet"])
def test_costs_count_every_parameter_and_time_a_song(name):
    found = costs_of(untrained(name))
    parameters = factory.build(name).parameters()
    assert found["n_parameters"] == sum(np.prod(p.shape) for p in parameters)
    assert 0 < found["embedding_s"] < 60
