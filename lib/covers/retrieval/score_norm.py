"""Score normalisation against a cohort (S-norm).

It removes the advantage of hubs, recordings that are near to everything, and makes scores of different
queries comparable.

*Conventions.* A normalised score is how many standard deviations a distance lies from the mean distance
to the cohort, averaged over the query's and the candidate's statistics; below 0 is nearer than average.
In an evaluation the cohort is the set itself, in a search a sample of the reference set.

References
----------
Kenny. "Bayesian speaker verification with heavy-tailed priors." Odyssey 2010 (S-norm: the mean of z-norm
and t-norm). Schnitzer et al. "Local and global scaling reduce hubs in space." JMLR 2012.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_COHORT = 30  # recordings below which cohort statistics are too uncertain to be used
MAX_COHORT = 500
COPY_RATIO = 0.4  # of the median distance; nearer ones are the recording itself or copies of it


@dataclass(frozen=True)
class CohortStats:
    """Mean and standard deviation of the distances of n recordings to a cohort, shape (n,) each."""

    mean: np.ndarray
    std: np.ndarray


def cohort_stats(distances: np.ndarray) -> CohortStats:
    """Return the statistics of each row of distances (n, m); NaN is left out."""
    # A cohort of copies alone has no spread: the floor keeps scores finite.
    return CohortStats(
        np.nanmean(distances, axis=1), np.maximum(np.nanstd(distances, axis=1), 1e-9)
    )


def mask_copies(distances: np.ndarray) -> np.ndarray:
    """Return distances (n, m) with NaN where they are a recording's to itself or to a copy."""
    median = np.nanmedian(distances, axis=1, keepdims=True)
    return np.where(distances < COPY_RATIO * median, np.nan, distances)


def s_norm(distances: np.ndarray, queries: CohortStats, candidates: CohortStats) -> np.ndarray:
    """Return the normalised scores (n, m) of distances (n, m) of n queries to m candidates.

    Examples
    --------
    >>> a = CohortStats(np.array([1.0]), np.array([0.1]))
    >>> b = CohortStats(np.array([1.2]), np.array([0.2]))
    >>> s_norm(np.array([[0.8]]), a, b).round(3)
    array([[-2.]])
    """
    z = (distances - queries.mean[:, None]) / queries.std[:, None]
    t = (distances - candidates.mean[None]) / candidates.std[None]
    return (z + t) / 2
