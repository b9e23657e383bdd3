"""Every system on one set: distances, figures, intervals, rows of `evaluations`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from covers.evaluation import metrics
from covers.evaluation.bootstrap import bootstrap, paired_difference
from covers.retrieval import alignment, scoring
from covers.retrieval.baselines import fourier2d, qmax
from covers.retrieval.hearing import Heard

N_DRAWS = 100
COSTS = {"n_parameters": "parameters", "training_s": "training [s]", "embedding_s": "a song [s]"}


@dataclass(frozen=True)
class EvaluationSet:
    """Recordings of known works, and what the systems need of them."""

    name: str
    recording_ids: list[str]
    titles: list[str]
    works: np.ndarray
    chromas: list[np.ndarray]
    heard: dict[str, tuple[list[Heard], int]] = field(default_factory=dict)  # system: …, rolls


def all_distances(data: EvaluationSet, *, baselines: bool = True) -> dict[str, np.ndarray]:
    """Return the distance matrix of every system: the networks', no model, baselines, fusion.

    Distances of networks are `scoring.s_normalized`: a hub, near to everything, is nobody's cover for
    that; where windows were heard, those of `alignment` have a part in them. ``model_plain`` is the model
    without both, and ``qmax_standardized`` is Qmax hubs corrected. Where the model compares more than wholes,
    ``model_whole`` is by wholes alone, corrected as a search corrects them; ``model_aligned`` is by alignment
    alone, not corrected.
    """
    plain = {name: scoring.of_heard(*heard) for name, heard in data.heard.items()}
    aligned = {
        name: alignment.distances(*heard)
        for name, heard in data.heard.items()
        if heard[0][0].windows is not None
    }
    found = {name: _best(d, aligned.get(name)) for name, d in plain.items()}
    found["no_model"] = scoring.of_tensors(data.chromas)
    if "model" in plain:
        found["model_plain"] = plain["model"]
        if data.heard["model"][0][0].stretches or "model" in aligned:
            found["model_whole"] = as_searched(data)
        if "model" in aligned:
            found["model_aligned"] = aligned["model"]
    if baselines:
        found["fourier2d"] = fourier2d.distances(data.chromas)
        found["qmax"] = qmax.distances(data.chromas)
        found["qmax_standardized"] = scoring.s_normalized(found["qmax"])
        if "model" in plain:
            found["model_qmax"] = scoring.fuse(found["model"], found["qmax"])
    return found


def as_searched(data: EvaluationSet) -> np.ndarray:
    """Return the model's distances as `find_covers` has them: deviations, by wholes alone."""
    heard, n_transpositions = data.heard["model"]
    return scoring.as_searched(np.stack([x.wholes for x in heard]), n_transpositions)


def _best(plain: np.ndarray, aligned: np.ndarray | None) -> np.ndarray:
    """Return a network's distances, hubs corrected, with those of alignment where there are any."""
    if aligned is None:
        return scoring.s_normalized(plain)
    return scoring.fuse(plain, aligned, weights=(1 - alignment.WEIGHT, alignment.WEIGHT))


def figures(
    distances: dict[str, np.ndarray], works: np.ndarray, *, seed: int
) -> dict[str, dict[str, dict]]:
    """Return system -> metric -> {value, low, high, n}; chance is exact and beside them."""
    asked = works[metrics.queries(works)]
    result: dict[str, dict[str, dict]] = {}
    for system, per_query in {
        "chance": metrics.chance(works),
        **{s: metrics.per_query(d, works) for s, d in distances.items()},
    }.items():
        result[system] = {m: _with_interval(v, asked, seed) for m, v in per_query.items()}
    for system, d in distances.items():
        for name, value in metrics.pairs(d, works).items():
            result[system][name] = figure(value, len(works) * (len(works) - 1) // 2)
        draws = metrics.writeup_draws(d, works, n_draws=N_DRAWS, seed=seed)
        for name, values in draws.items():
            low, high = np.percentile(values, [2.5, 97.5])
            result[system][f"writeup_{name}"] = {
                "value": float(values.mean()),
                "low": float(low),
                "high": float(high),
                "n": len(np.unique(asked)),
            }
    return result


def figure(value: float, n: int = 1) -> dict:
    """Return a figure that has no interval."""
    return {"value": value, "low": None, "high": None, "n": n}


def _with_interval(values: np.ndarray, works: np.ndarray, seed: int) -> dict:
    interval = bootstrap(values, works, seed=seed)
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": len(values)}


def differences(
    distances: dict[str, np.ndarray], works: np.ndarray, system: str, *, seed: int
) -> list[dict]:
    """Return MAP of one system minus MAP of each other, by paired bootstrap."""
    asked = works[metrics.queries(works)]
    own = metrics.per_query(distances[system], works)["map"]
    rows = []
    for other, d in distances.items():
        if other != system:
            interval = paired_difference(own, metrics.per_query(d, works)["map"], asked, seed=seed)
            rows.append(
                {
                    "MAP difference to": other,
                    "value": interval.value,
                    "low": interval.low,
                    "high": interval.high,
                }
            )
    return rows


def leaderboard(result: dict[str, dict[str, dict]]) -> list[dict]:
    """Return one row a system, best MAP first, ready to print; with costs where any system has them."""
    order = sorted(result, key=lambda s: -result[s]["map"]["value"])
    shown = {
        "map": "MAP",
        "triplet_accuracy": "nearest neighbour",
        "p_at_1": "P@1",
        "mr1": "MR1",
        "hit_at_10": "hit@10",
    }
    shown |= {m: title for m, title in COSTS.items() if any(m in of for of in result.values())}
    return [
        {"system": s}
        | {title: _cell(result[s][m]) if m in result[s] else "" for m, title in shown.items()}
        for s in order
    ]


def _cell(figure: dict) -> str:
    if figure["low"] is None:
        return f"{figure['value']:,.0f}" if figure["value"] > 20 else f"{figure['value']:.3f}"
    digits = 1 if figure["value"] > 1.5 else 3
    return f"{figure['value']:.{digits}f} ({figure['low']:.{digits}f}-{figure['high']:.{digits}f})"


def rows(
    result: dict[str, dict[str, dict]], *, evaluation_id: str, data_set: str, setting: str
) -> list[tuple]:
    """Return rows of `evaluations`; figures that are not finite are left out."""
    return [
        (evaluation_id, data_set, setting, system, metric, f["value"], f["low"], f["high"], f["n"])
        for system, by_metric in result.items()
        for metric, f in by_metric.items()
        if np.isfinite(f["value"])
    ]


def false_positives(distances: np.ndarray, data: EvaluationSet, n: int = 10) -> list[dict]:
    """Return the nearest pairs that are not covers, and where they are most alike."""
    i, j = np.triu_indices(len(data.works), 1)
    others = data.works[i] != data.works[j]
    order = np.argsort(distances[i, j][others])[:n]
    return [
        {
            "recording": data.recording_ids[a],
            "title": data.titles[a],
            "taken for": data.recording_ids[b],
            "its title": data.titles[b],
            "distance": float(distances[a, b]),
        }
        | qmax.match(data.chromas[a], data.chromas[b])
        for a, b in zip(i[others][order], j[others][order], strict=True)
    ]
