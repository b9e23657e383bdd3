"""Intervals by bootstrap over works: works are drawn, not recordings, since versions go together.

References
----------
Efron, Tibshirani. "An Introduction to the Bootstrap." 1993.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its 95% interval."""

    value: float
    low: float
    high: float


def bootstrap(
    values: np.ndarray, works: np.ndarray, *, seed: int, n: int = N_RESAMPLES
) -> Interval:
    """Return the mean of per-query values with its interval over works.

    Parameters
    ----------
    values, works : np.ndarray, shape (n_queries,)
        A figure of each query and the work it belongs to.

    Raises
    ------
    ValueError
        If the shapes differ or there is no query.

    Examples
    --------
    >>> bootstrap(np.ones(4), np.array(["a", "a", "b", "b"]), seed=1)
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if values.shape != works.shape or not len(values):
        raise ValueError(
            f"values and works must have one shape (n > 0,), got {values.shape}, {works.shape}"
        )
    names, inverse = np.unique(works, return_inverse=True)
    sums = np.bincount(inverse, weights=values, minlength=len(names))
    sizes = np.bincount(inverse, minlength=len(names))
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=n
    )
    means = drawn @ sums / (drawn @ sizes)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference(a: np.ndarray, b: np.ndarray, works: np.ndarray, *, seed: int) -> Interval:
    """Return the mean of a - b with its interval: do two systems differ on the same queries?"""
    return bootstrap(a - b, works, seed=seed)
