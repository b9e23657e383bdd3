"""The longest path along the diagonals of a matrix: where two recordings go on being alike.

*Conventions.* Row i and column j are places in two recordings, one every so many seconds. A step is 1:1,
2:1 or 1:2, so that one may go up to twice as fast as the other.

References
----------
Serrà, Serra, Andrzejak. "Cross recurrence quantification for cover song identification." New Journal
of Physics 2009 (the steps). Smith, Waterman. "Identification of common molecular subsequences."
Journal of Molecular Biology 1981 (what falls below 0 begins anew).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed
from numba import njit

T = TypeVar("T")


@njit(cache=False, fastmath=False, nogil=True)
def longest_path(gains: np.ndarray) -> tuple[float, int, int, int, int]:  # pragma: no cover
    """Return the most that a path can gain, and where it begins and ends.

    A place adds ``gains`` (n, m), above or below 0, to the best of its three predecessors; the first
    two rows and columns count for nothing. Beginning and end are (row, column, row, column).
    """
    n, m = gains.shape
    q, begun = np.zeros((n, m)), np.zeros((n, m), np.int64)
    best, last = 0.0, 0
    for i in range(2, n):
        for j in range(2, m):
            here = i * m + j
            value, first = 0.0, here
            for k in (here - m - 1, here - 2 * m - 1, here - m - 2):
                if q[k // m, k % m] > value:
                    value, first = q[k // m, k % m], begun[k // m, k % m]
            value = max(value + gains[i, j], 0.0)
            q[i, j], begun[i, j] = value, first
            if value > best:
                best, last = value, here
    first = begun[last // m, last % m]
    return best, first // m, first % m, last // m, last % m


def of_pairs(measure: Callable[[T, T], float], items: Sequence[T]) -> np.ndarray:
    """Return a measure of every two items that is the same in both orders, (n, n); on all cores.

    The diagonal is 0.
    """
    rows, columns = np.triu_indices(len(items), 1)
    pairs = (delayed(measure)(a, b) for a, b in combinations(items, 2))
    found = np.zeros((len(items), len(items)))
    found[rows, columns] = Parallel(n_jobs=-1, prefer="threads", batch_size=64)(pairs)
    return found + found.T


def match(here: tuple[float, float], there: tuple[float, float]) -> dict[str, str]:
    """Return where two recordings match, (from, to) [s] in each, as minutes and seconds.

    Examples
    --------
    >>> match((0.0, 61.5), (20.0, 83.0))
    {'match here': '0:00 to 1:01', 'match there': '0:20 to 1:23'}
    """
    return {"match here": _clock(here), "match there": _clock(there)}


def _clock(stretch: tuple[float, float]) -> str:
    return " to ".join(f"{int(s) // 60}:{int(s) % 60:02d}" for s in stretch)
