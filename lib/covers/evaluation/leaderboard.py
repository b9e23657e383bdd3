"""Metrics of every system with their intervals: rows of `evaluations`, leaderboards, differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from covers.evaluation import metrics
from covers.evaluation.bootstrap import bootstrap, paired_difference

N_DRAWS = 100
COLUMNS = ("map", "p_at_1", "mr1", "hit_at_10", "triplet_accuracy")
COSTS = ("n_parameters", "training_s", "embedding_s")
NAMES = {
    "chance": "chance (exact)",
    "search": "search (what find_covers ranks)",
    "exhaustive": "exhaustive: all pairs, S-norm and alignment",
    "exhaustive_raw": "all pairs by track and segments, no S-norm",
    "track": "track embeddings, S-norm",
    "alignment": "alignment of frames alone",
    "untrained": "untrained network, search",
    "shipped": "shipped network, search",
    "raw_features": "raw features, no network",
    "fourier2d": "2-D Fourier magnitude",
    "qmax": "Qmax",
    "qmax_s_norm": "Qmax, S-norm",
    "exhaustive_qmax": "exhaustive fused with Qmax",
}

Metric = dict[str, Any]  # value, low and high (None: no interval), n
Results = dict[str, dict[str, Metric]]  # system -> metric


def evaluate(distances: Mapping[str, np.ndarray], works: np.ndarray, *, seed: int) -> Results:
    """Return every metric of every system, and of chance, which is exact.

    Parameters
    ----------
    distances : mapping of str to np.ndarray, shape (n, n)
        Row = query.
    works : np.ndarray, shape (n,)
    seed : int
        Of the bootstrap and of the write-up's draws.
    """
    of_queries = works[metrics.queries(works)]
    per_system = {"chance": metrics.chance(works)}
    per_system |= {system: metrics.per_query(d, works) for system, d in distances.items()}
    results: Results = {
        system: {name: _with_interval(v, of_queries, seed) for name, v in values.items()}
        for system, values in per_system.items()
    }
    n_pairs = len(works) * (len(works) - 1) // 2
    for system, d in distances.items():
        for name, value in metrics.pairs(d, works).items():
            results[system][name] = point(value, n_pairs)
        for name, values in metrics.writeup_draws(d, works, n_draws=N_DRAWS, seed=seed).items():
            low, high = np.percentile(values, [2.5, 97.5])
            results[system][f"writeup_{name}"] = {
                "value": float(values.mean()),
                "low": float(low),
                "high": float(high),
                "n": len(np.unique(of_queries)),
            }
    return results


def point(value: float, n: int = 1) -> Metric:
    """Return a metric without an interval."""
    return {"value": value, "low": None, "high": None, "n": n}


def _with_interval(values: np.ndarray, works: np.ndarray, seed: int) -> Metric:
    interval = bootstrap(values, works, seed=seed)
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": len(values)}


def differences(
    distances: Mapping[str, np.ndarray], works: np.ndarray, system: str, *, seed: int
) -> list[dict[str, object]]:
    """Return MAP of one system minus MAP of each other, by paired bootstrap."""
    of_queries = works[metrics.queries(works)]
    own = metrics.per_query(distances[system], works)["map"]
    rows: list[dict[str, object]] = []
    for other, d in distances.items():
        if other != system:
            values = metrics.per_query(d, works)["map"]
            interval = paired_difference(own, values, of_queries, seed=seed)
            rows.append({"system": system, "minus": other, "map_difference": interval.value,
                         "low": interval.low, "high": interval.high})  # fmt: skip
    return rows


def leaderboard(results: Results) -> list[dict[str, str]]:
    """Return one row a system, best MAP first, ready to print; with costs where any system has them."""
    order = sorted(results, key=lambda system: -_value(results[system]["map"]))
    costs = [m for m in COSTS if any(m in found for found in results.values())]
    return [
        {"system": NAMES.get(system, system)}
        | {m: _cell(results[system][m]) if m in results[system] else "" for m in (*COLUMNS, *costs)}
        for system in order
    ]


def _value(metric: Metric) -> float:
    return float(metric["value"] or 0.0)


def _cell(metric: Metric) -> str:
    value, low, high = (metric[k] for k in ("value", "low", "high"))
    number = float(value or 0.0)
    if low is None or high is None:
        return f"{number:,.0f}" if number > 20 else f"{number:.3f}"
    digits = 1 if number > 1.5 else 3
    return f"{number:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def evaluation_rows(
    results: Results, *, evaluation_id: str, data_set: str, setting: str
) -> list[tuple]:
    """Return rows of `evaluations`; values that are not finite are left out."""
    return [
        (evaluation_id, data_set, setting, system, metric, f["value"], f["low"], f["high"], f["n"])
        for system, by_metric in results.items()
        for metric, f in by_metric.items()
        if f["value"] is not None and np.isfinite(f["value"])
    ]
