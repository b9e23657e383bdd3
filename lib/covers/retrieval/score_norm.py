"""What distance is usual: a hub, near to everything, is nobody's cover for that.

*Conventions.* A deviation is how many standard deviations a distance lies from the mean distance to a
cohort: the mean of what it is for the query and what it is for the candidate. Below 0 = nearer than usual.
In an evaluation the cohort is the set itself, in a search a sample of the lake.

References
----------
Schnitzer et al. "Local and global scaling reduce hubs in space." JMLR 2012. Kenny. "Bayesian speaker
verification with heavy-tailed priors." Odyssey 2010 (both sides against a cohort: S-norm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST, MOST = 30, 500  # recordings of a lake that tell what is usual there
COPY = 0.4  # times the median: a smaller distance is to the recording itself or a copy, not a usual one


@dataclass(frozen=True)
class Usual:
    """Mean and standard deviation of the distances of n recordings to a cohort, (n,) each."""

    mean: np.ndarray
    spread: np.ndarray


def usual(distances: np.ndarray) -> Usual:
    """Return what is usual for each of n recordings, from distances (n, m); NaN is left out."""
    return Usual(np.nanmean(distances, axis=1), np.maximum(np.nanstd(distances, axis=1), 1e-9))


def without_copies(distances: np.ndarray) -> np.ndarray:
    """Return distances (n, m) with NaN where they are a recording's to itself or to a copy."""
    copies = distances < COPY * np.median(distances, axis=1, keepdims=True)
    return np.where(copies, np.nan, distances)


def deviations(distances: np.ndarray, asking: Usual, answering: Usual) -> np.ndarray:
    """Return the deviations (n, m) of distances (n, m) of n queries to m candidates.

    Examples
    --------
    >>> own, other = Usual(np.array([1.0]), np.array([0.1])), Usual(np.array([1.2]), np.array([0.2]))
    >>> deviations(np.array([[0.8]]), own, other).round(3)
    array([[-2.]])
    """
    of_asking = (distances - asking.mean[:, None]) / asking.spread[:, None]
    of_answering = (distances - answering.mean[None]) / answering.spread[None]
    return (of_asking + of_answering) / 2
