"""From scores to the probability that two recordings are covers of one work.

*Conventions.* Log odds are linear in the scores (`covers.models.card.Calibration`), for covers and
non-covers in equal numbers; the prior is added afterwards. Lines are fitted on pairs of works that the
network was not trained on.

References
----------
Platt. "Probabilistic outputs for support vector machines." 1999. DeGroot, Fienberg. "The comparison and
evaluation of forecasters." The Statistician 1983 (reliability diagrams).
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from covers.models.card import Calibration

EVEN = 0.5
KINDS = ("distance", "s_norm", "distance_alignment", "fused")


def probability(log_odds: np.ndarray, prior: float = EVEN) -> np.ndarray:
    """Return probabilities, 0 to 1, of log odds at even prior odds and of a prior probability."""
    return expit(log_odds + logit(prior))


def prior_among(n_candidates: int) -> float:
    """Return the prior of each of n candidates: one cover, or none, is expected among them.

    Examples
    --------
    >>> prior_among(1), prior_among(99)
    (0.5, 0.01)
    """
    return 1 / (n_candidates + 1)


def fit(
    scores: np.ndarray, is_cover: np.ndarray, alignment: np.ndarray | None = None
) -> Calibration:
    """Fit a line on pairs, covers and non-covers with equal total weight.

    Parameters
    ----------
    scores : np.ndarray, shape (n_pairs,)
        Distances, S-norm or fused scores.
    is_cover : np.ndarray, shape (n_pairs,), bool
    alignment : np.ndarray, shape (n_pairs,), optional
        Alignment scores.

    Raises
    ------
    ValueError
        If there is no pair of covers, or none of non-covers.
    """
    if not 0 < is_cover.sum() < len(is_cover):
        raise ValueError(
            f"works must give pairs of both kinds, got {is_cover.sum()} covers of {len(is_cover)} pairs"
        )
    features = np.stack([x for x in (scores, alignment) if x is not None], axis=1)
    line = LogisticRegression(C=1e6, class_weight="balanced", max_iter=1000).fit(features, is_cover)
    slope, *alignment_slope = (float(x) for x in line.coef_[0])
    n = int(is_cover.sum())
    return Calibration(slope, float(line.intercept_[0]), n, len(is_cover) - n, *alignment_slope)


def fit_works(scores: np.ndarray, works: np.ndarray) -> Calibration:
    """Fit a line on every two recordings of known works, from scores (n, n); the upper triangle is used.

    Raises
    ------
    ValueError
        As `fit` does.
    """
    i, j = np.triu_indices(len(works), 1)
    return fit(scores[i, j], works[i] == works[j])


def reliability(
    log_odds: np.ndarray, is_cover: np.ndarray, n_bins: int = 5
) -> list[dict[str, float]]:
    """Return mean predicted probability and share of covers in bins of equal width.

    Parameters
    ----------
    log_odds, is_cover : np.ndarray, shape (n_pairs,)
        Covers and non-covers have the same total weight, as in `fit`.
    n_bins : int
        Empty bins are left out.

    Returns
    -------
    list of dict
        ``predicted``, ``observed``, ``n``, ``n_covers`` of each bin.
    """
    predicted = probability(log_odds)
    weight = np.where(is_cover, 0.5 / max(is_cover.sum(), 1), 0.5 / max((~is_cover).sum(), 1))
    bins = np.minimum((predicted * n_bins).astype(int), n_bins - 1)
    rows = []
    for number in np.unique(bins):
        inside = bins == number
        total = float(weight[inside].sum())
        rows.append(
            {
                "predicted": float(weight[inside] @ predicted[inside]) / total,
                "observed": float(weight[inside] @ is_cover[inside]) / total,
                "n": int(inside.sum()),
                "n_covers": int((inside & is_cover).sum()),
            }
        )
    return rows
