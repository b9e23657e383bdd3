"""Metrics of cover song identification, from a distance matrix and the work of each recording.

*Conventions.* ``distances`` is (n, n), row = query, smaller is nearer; the diagonal is ignored. Every
recording with at least one cover in the set is a query against all others. Ties count against the system:
non-covers come first; a tied triplet counts one half. Metrics per query are (n_queries,) arrays, so that
intervals can be drawn over works.

References
----------
Downie et al. "Audio cover song identification: MIREX 2006-2007." ISMIR 2008 (MAP, MR1, top 10).
"""

from __future__ import annotations

from math import comb

import numpy as np
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

PER_QUERY = ("map", "p_at_1", "mr1", "hit_at_10", "triplet_accuracy")


def queries(works: np.ndarray) -> np.ndarray:
    """Return the indices of the queries: recordings that have a cover in the set.

    Examples
    --------
    >>> queries(np.array(["a", "b", "a"]))
    array([0, 2])
    """
    _, inverse, counts = np.unique(works, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)


def per_query(distances: np.ndarray, works: np.ndarray) -> dict[str, np.ndarray]:
    """Return average precision, P@1, rank of the first cover, hit rate at 10 and triplet accuracy by query.

    Raises
    ------
    ValueError
        If the shapes do not fit, a distance is not finite, or no work has two recordings.
    """
    n = len(works)
    if distances.shape != (n, n):
        raise ValueError(f"distances must have shape ({n}, {n}), got {distances.shape}")
    if not np.isfinite(distances[~np.eye(n, dtype=bool)]).all():
        raise ValueError("distances must be finite, got nan or inf")
    query_rows = queries(works)
    if not len(query_rows):
        raise ValueError(f"works must have two recordings at least once, got {n} works of one")
    found: dict[str, list[float]] = {name: [] for name in PER_QUERY}
    for q in query_rows:
        others = np.flatnonzero(np.arange(n) != q)
        d, right = distances[q, others], works[others] == works[q]
        ranked = right[np.lexsort((right, d))]  # in a tie the non-cover comes first
        ranks = np.flatnonzero(ranked) + 1
        found["map"].append(float(np.mean(np.arange(1, len(ranks) + 1) / ranks)))
        found["p_at_1"].append(float(ranks[0] == 1))
        found["mr1"].append(float(ranks[0]))
        found["hit_at_10"].append(float(ranks[0] <= 10))
        found["triplet_accuracy"].append(_triplet_accuracy(d[right], d[~right]))
    return {name: np.array(values) for name, values in found.items()}


def _triplet_accuracy(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Share of (positive, negative) with d(a, p) < d(a, n), ties one half."""
    if not len(negatives):
        return 1.0
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    ties = np.searchsorted(ordered, positives, side="right") - below
    return float(np.mean((len(negatives) - below - ties + 0.5 * ties) / len(negatives)))


def chance(works: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a random order gives, exactly, for each query.

    Examples
    --------
    >>> chance(np.array(["a", "a", "b"]))["map"].tolist()
    [0.75, 0.75]
    """
    n = len(works) - 1
    harmonic = float(np.sum(1 / np.arange(1, n + 1)))
    found: dict[str, list[float]] = {name: [] for name in PER_QUERY}
    for q in queries(works):
        r = int((works == works[q]).sum()) - 1
        tail = (r - 1) / (n - 1) * (n - harmonic) if n > 1 else 0.0
        found["map"].append((harmonic + tail) / n)
        found["p_at_1"].append(r / n)
        found["mr1"].append((n + 1) / (r + 1))
        found["hit_at_10"].append(1 - comb(n - r, min(10, n)) / comb(n, min(10, n)))
        found["triplet_accuracy"].append(0.5)
    return {name: np.array(values) for name, values in found.items()}


def writeup_draws(
    distances: np.ndarray, works: np.ndarray, *, n_draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the write-up's metrics of random draws: one triplet a work, with one random negative.

    Each draw takes two recordings of every work and one of another work: the share of triplets
    with d(a, p) < d(a, n), and, with the pairs (a, p) and (a, n) classified at their mean distance
    (nearer = cover), accuracy, precision, recall and F1. Arrays have shape (n_draws,).
    """
    rng = np.random.default_rng(seed)
    members = {w: np.flatnonzero(works == w) for w in np.unique(works[queries(works)])}
    found: dict[str, list[float]] = {
        k: [] for k in ("triplet_accuracy", "accuracy", "precision", "recall", "f1")
    }
    for _ in range(n_draws):
        positives, negatives = [], []
        for work, own in members.items():
            anchor, positive = rng.choice(own, 2, replace=False)
            negative = rng.choice(np.flatnonzero(works != work))
            positives.append(distances[anchor, positive])
            negatives.append(distances[anchor, negative])
        a, b = np.array(positives), np.array(negatives)
        found["triplet_accuracy"].append(float(np.mean((a < b) + 0.5 * (a == b))))
        pairs, truth = np.concatenate([a, b]), np.repeat([1, 0], len(a))
        for name, value in pair_scores(truth, pairs < pairs.mean()).items():
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


def pair_scores(truth: np.ndarray, called: np.ndarray) -> dict[str, float]:
    """Return accuracy, precision, recall and F1 of calling pairs covers."""
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, called.astype(int), average="binary", zero_division=0
    )
    accuracy = float(np.mean(truth == called.astype(int)))
    return {
        "accuracy": accuracy,
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
    }


def all_pairs(distances: np.ndarray, works: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (distance, is cover) of every unordered pair."""
    i, j = np.triu_indices(len(works), 1)
    return distances[i, j], works[i] == works[j]


def pairs(distances: np.ndarray, works: np.ndarray) -> dict[str, float]:
    """Return mean distances, ROC AUC, and scores at a threshold chosen on the other half of the works."""
    d, is_cover = all_pairs(distances, works)
    found = {
        "mean_distance_covers": float(d[is_cover].mean()),
        "mean_distance_non_covers": float(d[~is_cover].mean())
        if (~is_cover).any()
        else float("nan"),
    }
    if is_cover.all():
        return found
    found["roc_auc"] = float(roc_auc_score(is_cover, -d))
    half = np.isin(works, np.unique(works)[::2])
    scores = []
    for chosen_on, tested_on in ((half, ~half), (~half, half)):
        chosen, tested = _within(distances, works, chosen_on), _within(distances, works, tested_on)
        if chosen[1].any() and tested[1].any():
            threshold = best_threshold(*chosen)
            scores.append(pair_scores(tested[1], tested[0] <= threshold))
    for name in scores[0] if scores else ():
        found[f"pair_{name}_held_out_threshold"] = float(np.mean([s[name] for s in scores]))
    return found


def _within(
    distances: np.ndarray, works: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return all_pairs(distances[np.ix_(chosen, chosen)], works[chosen])


def best_threshold(d: np.ndarray, is_cover: np.ndarray) -> float:
    """Return the distance at or below which calling a pair a cover gives the best F1."""
    order = np.argsort(d, kind="stable")
    right = np.cumsum(is_cover[order])
    f1 = 2 * right / (np.arange(1, len(d) + 1) + is_cover.sum())
    return float(d[order][int(np.argmax(f1))])
