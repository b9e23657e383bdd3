"""From a distance to a probability: how sure is it that two recordings are covers?

*Conventions.* Distance is that of `lib.training.distances`, 0 to 2, or, where a cohort is known, its
deviation (`lib.retrieval.cohort`): what is near among old tunes is far among pop songs. The odds of covers
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


@dataclass(frozen=True)
class Calibration:
    """The straight line from a distance to the logarithm of the odds."""

    slope: float
    intercept: float
    n_covers: int
    n_others: int

    def probability(self, distances: np.ndarray, prior: float = EVEN) -> np.ndarray:
        """Return how probable covers are at these distances, 0 to 1."""
        return expit(self.intercept + self.slope * distances + logit(prior))

    def to_dict(self) -> dict[str, float]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def of_card(config: Mapping[str, Any], *, deviations: bool) -> Calibration | None:
    """Return the calibration of distances, or of their deviations, that a model's card has, if any."""
    said = config.get("calibration_of_deviations" if deviations else "calibration")
    return Calibration(**said) if said else None


def fit(distances: np.ndarray, works: np.ndarray) -> Calibration:
    """Fit on all pairs of a set of known works.

    Parameters
    ----------
    distances : np.ndarray, shape (n, n)
    works : np.ndarray, shape (n,)

    Raises
    ------
    ValueError
        If there is no pair of covers, or none of others.
    """
    i, j = np.triu_indices(len(works), 1)
    same, d = works[i] == works[j], distances[i, j]
    if not 0 < same.sum() < len(same):
        raise ValueError(
            f"works must give pairs of both kinds, got {same.sum()} covers of {len(same)} pairs"
        )
    line = LogisticRegression(C=1e6, class_weight="balanced").fit(d[:, None], same)
    n = int(same.sum())
    return Calibration(float(line.coef_[0, 0]), float(line.intercept_[0]), n, len(same) - n)


def reliability(
    fitted: Calibration, distances: np.ndarray, works: np.ndarray, n_bins: int = 5
) -> list[dict[str, float]]:
    """Return, by how probable covers were called, how often they were: bins of equal width.

    Covers and others have the same weight together, as in `fit`; a bin that no pair is in is left out.

    References
    ----------
    DeGroot, Fienberg. "The comparison and evaluation of forecasters." The Statistician 1983.
    """
    i, j = np.triu_indices(len(works), 1)
    same, said = works[i] == works[j], fitted.probability(distances[i, j])
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
