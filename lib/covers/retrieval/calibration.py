"""From a distance to a probability: how sure is it that two recordings are covers?

*Conventions.* Distance is that of `covers.models.similarity`, 0 to 2, or, where a cohort is known, its
deviation (`covers.retrieval.score_norm`): what is near among old tunes is far among pop songs. The odds of covers
are exp(intercept + slope * distance) where covers and others are equally many; what was known before
listening (`prior`) multiplies them. It is fitted on pairs of works that the network was not trained
on, every work with the same weight.

References
----------
Platt. "Probabilistic outputs for support vector machines." 1999.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

EVEN = 0.5


KINDS = ("distance", "s_norm", "distance_alignment", "s_norm_alignment")


@dataclass(frozen=True)
class Calibration:
    """The line from a distance, and the score of an alignment where there is one, to the log of the odds."""

    slope: float
    intercept: float
    n_covers: int
    n_others: int
    slope_of_alignment: float = 0.0

    def log_odds(self, distances: np.ndarray, scores: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the log of the odds of covers, where covers and others are equally many."""
        return self.intercept + self.slope * distances + self.slope_of_alignment * scores

    def to_dict(self) -> dict[str, float]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def probability(log_odds: np.ndarray, prior: float = EVEN) -> np.ndarray:
    """Return how probable covers are at these odds and so much known before listening, 0 to 1."""
    return expit(log_odds + logit(prior))


def of_card(config: Mapping[str, Any], kind: str) -> Calibration | None:
    """Return the calibration of one of `KINDS` that a model's card has, if any."""
    said = (config.get("calibration") or {}).get(kind)
    return Calibration(**said) if said else None


def fit(distances: np.ndarray, works: np.ndarray, scores: np.ndarray | None = None) -> Calibration:
    """Fit on all pairs of a set of known works.

    Parameters
    ----------
    distances : np.ndarray, shape (n, n)
    works : np.ndarray, shape (n,)
    scores : np.ndarray, shape (n, n), optional
        Of alignment.

    Raises
    ------
    ValueError
        If there is no pair of covers, or none of others.
    """
    i, j = np.triu_indices(len(works), 1)
    same = works[i] == works[j]
    if not 0 < same.sum() < len(same):
        raise ValueError(
            f"works must give pairs of both kinds, got {same.sum()} covers of {len(same)} pairs"
        )
    told = np.stack([x[i, j] for x in (distances, scores) if x is not None], axis=1)
    line = LogisticRegression(C=1e6, class_weight="balanced", max_iter=1000).fit(told, same)
    slope, *slope_of_alignment = (float(x) for x in line.coef_[0])
    n = int(same.sum())
    return Calibration(slope, float(line.intercept_[0]), n, len(same) - n, *slope_of_alignment)


def reliability(log_odds: np.ndarray, works: np.ndarray, n_bins: int = 5) -> list[dict[str, float]]:
    """Return, by how probable covers were called, how often they were: bins of equal width.

    ``log_odds`` is (n, n), `Calibration.log_odds` of all pairs.

    Covers and others have the same weight together, as in `fit`; a bin that no pair is in is left out.

    References
    ----------
    DeGroot, Fienberg. "The comparison and evaluation of forecasters." The Statistician 1983.
    """
    i, j = np.triu_indices(len(works), 1)
    same, said = works[i] == works[j], probability(log_odds[i, j])
    weight = np.where(same, 0.5 / max(same.sum(), 1), 0.5 / max((~same).sum(), 1))
    bins = np.minimum((said * n_bins).astype(int), n_bins - 1)
    rows = []
    for number in np.unique(bins):
        of = bins == number
        total = float(weight[of].sum())
        rows.append(
            {
                "said": float(weight[of] @ said[of]) / total,
                "found": float(weight[of] @ same[of]) / total,
                "n": int(of.sum()),
                "n_covers": int((of & same).sum()),
            }
        )
    return rows


def prior_among(n_candidates: int) -> float:
    """Return the prior of each of many candidates: one cover, or none, is expected among them.

    Examples
    --------
    >>> prior_among(1), prior_among(99)
    (0.5, 0.01)
    """
    return 1 / (n_candidates + 1)
