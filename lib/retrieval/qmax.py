"""Qmax: the longest aligned stretch of two recordings, the classical method to beat.

*Conventions.* Chroma (36, T) at 4 frames/s is folded to 12 and averaged by two (0.5 s frames),
stacked 9 deep; the cross-recurrence plot marks pairs that are mutually among the nearest 9.5%;
Qmax is the score of the best path with gaps. The second recording is rolled to the best
transposition first. Distance = sqrt(length) / Qmax, as essentia has it.

References
----------
Serrà, Serra, Andrzejak. "Cross recurrence quantification for cover song identification." New
Journal of Physics 2009. Serrà, Gómez, Herrera. "Transposing chroma representations to a common
key." 2008.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STACK, KAPPA, GAP_ONSET, GAP_EXTENSION = 9, 0.095, 0.5, 0.5
MAX_FRAMES = 1200


def features(chroma: np.ndarray) -> np.ndarray:
    """Return (T', 12) float64 frames of half a second, largest value 1."""
    folded = chroma.reshape(3, 12, -1).sum(axis=0)
    n = folded.shape[1] // 2 * 2
    halves = folded[:, :n].reshape(12, -1, 2).mean(axis=2) if n else folded
    frames = halves.T[:MAX_FRAMES]
    if len(frames) < STACK + 1:
        frames = np.tile(frames, (-(-(STACK + 1) // max(len(frames), 1)), 1))
    return np.ascontiguousarray(frames / np.maximum(frames.max(axis=1, keepdims=True), 1e-9))


def best_transposition(a: np.ndarray, b: np.ndarray) -> int:
    """Return the roll of b's pitch classes that brings its mean nearest to a's."""
    profile_a, profile_b = a.mean(axis=0), b.mean(axis=0)
    return int(np.argmax([profile_a @ np.roll(profile_b, s) for s in range(12)]))


def recurrence(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the (n, m) boolean cross-recurrence plot of stacked frames."""
    x, y = (np.hstack([f[i : len(f) - STACK + 1 + i] for i in range(STACK)]) for f in (a, b))
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None] - 2 * x @ y.T
    n, m = squares.shape
    rows = np.partition(squares, max(int(KAPPA * m) - 1, 0), axis=1)[:, max(int(KAPPA * m) - 1, 0)]
    columns = np.partition(squares, max(int(KAPPA * n) - 1, 0), axis=0)[max(int(KAPPA * n) - 1, 0)]
    return (squares <= rows[:, None]) & (squares <= columns[None])


@njit(cache=False, fastmath=False)
def qmax_score(plot: np.ndarray, onset: float, extension: float) -> float:  # pragma: no cover
    """Return the largest value of the recursion of Serrà et al., equation 7."""
    n, m = plot.shape
    q = np.zeros((n, m))
    best = 0.0
    for i in range(2, n):
        for j in range(2, m):
            if plot[i, j]:
                value = max(q[i - 1, j - 1], q[i - 2, j - 1], q[i - 1, j - 2]) + 1.0
            else:
                first = q[i - 1, j - 1] - (onset if plot[i - 1, j - 1] else extension)
                second = q[i - 2, j - 1] - (onset if plot[i - 2, j - 1] else extension)
                third = q[i - 1, j - 2] - (onset if plot[i - 1, j - 2] else extension)
                value = max(0.0, first, second, third)
            q[i, j] = value
            best = max(best, value)
    return best


def pair_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the distance of two recordings' `features`."""
    turned = np.roll(b, best_transposition(a, b), axis=1)
    score = qmax_score(recurrence(a, turned), GAP_ONSET, GAP_EXTENSION)
    return float(np.sqrt(len(b)) / max(score, 1.0))


def distances(chromas: list[np.ndarray]) -> np.ndarray:
    """Return the (n, n) distances, the mean of both directions."""
    frames = [features(c) for c in chromas]
    found = np.zeros((len(frames), len(frames)))
    for i in range(len(frames)):
        for j in range(i + 1, len(frames)):
            found[i, j] = found[j, i] = 0.5 * (
                pair_distance(frames[i], frames[j]) + pair_distance(frames[j], frames[i])
            )
    return found
