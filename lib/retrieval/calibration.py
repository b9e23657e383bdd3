"""From a distance to a probability: how sure is it that two recordings are covers?

*Conventions.* Distance is that of `lib.training.distances`, 0 to 2. The odds of covers are
exp(intercept + slope * distance) where covers and others are equally many; what was known before
listening (`prior`) multiplies them. It is fitted on pairs of works that the network was not trained
on, every work with the same weight.

References
----------
Platt. "Probabilistic outputs for support vector machines." 1999.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

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


def prior_among(n_candidates: int) -> float:
    """Return the prior of each of many candidates: one cover, or none, is expected among them.

    Examples
    --------
    >>> prior_among(1), prior_among(99)
    (0.5, 0.01)
    """
    return 1 / (n_candidates + 1)
