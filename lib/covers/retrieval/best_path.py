"""The best path along the diagonals of a matrix: where two recordings stay alike in order.

*Conventions.* Row i and column j are times in two recordings, on a grid each. A step is 1:1, 2:1 or 1:2:
one recording may be up to twice as fast as the other.

References
----------
Serrà, Serra, Andrzejak. "Cross recurrence quantification for cover song identification." New Journal
of Physics 2009 (the steps). Smith, Waterman. "Identification of common molecular subsequences."
Journal of Molecular Biology 1981 (local alignment: a path that falls below 0 starts again).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np
from joblib import Parallel, delayed
from numba import njit
from threadpoolctl import threadpool_limits

T = TypeVar("T")


@njit(cache=False, fastmath=False, nogil=True)
def best_path(gains: np.ndarray) -> tuple[float, int, int, int, int]:  # pragma: no cover
    """Return the largest total gain of a path, and where it starts and ends.

    Parameters
    ----------
    gains : np.ndarray, shape (n, m)
        What a cell adds, positive or negative, to the best of its three predecessors. The first two rows
        and columns are padding: they add nothing.

    Returns
    -------
    total, first row, first column, last row, last column
    """
    n, m = gains.shape
    q, start = np.zeros((n, m)), np.zeros((n, m), np.int64)
    best, last = 0.0, 0
    for i in range(2, n):
        for j in range(2, m):
            here = i * m + j
            value, first = 0.0, here
            for k in (here - m - 1, here - 2 * m - 1, here - m - 2):
                if q[k // m, k % m] > value:
                    value, first = q[k // m, k % m], start[k // m, k % m]
            value = max(value + gains[i, j], 0.0)
            q[i, j], start[i, j] = value, first
            if value > best:
                best, last = value, here
    first = start[last // m, last % m]
    return best, first // m, first % m, last // m, last % m


def pairwise(measure: Callable[[T, T], float], items: Sequence[T]) -> np.ndarray:
    """Return a symmetric measure of every two items, (n, n), 0 on the diagonal; on all cores."""
    rows, columns = np.triu_indices(len(items), 1)
    pairs = (delayed(measure)(a, b) for a, b in combinations(items, 2))
    values = np.zeros((len(items), len(items)))
    with threadpool_limits(1):  # a thread a core is enough: BLAS would start as many in each
        values[rows, columns] = Parallel(n_jobs=-1, prefer="threads", batch_size=64)(pairs)
    return values + values.T
