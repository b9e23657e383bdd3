"""Qmax: local alignment of chroma by cross recurrence, the classical method to beat.

*Conventions.* Chroma (36, T) at 4 frames/s is folded to 12 pitch classes and averaged by two (0.5 s frames),
then stacked 9 deep. The cross-recurrence plot marks pairs of frames that are mutually among the nearest
9.5%. Qmax is the score of the best path with gaps; the second recording is first rolled to the optimal
transposition. Distance = sqrt(length) / Qmax, as in essentia.

References
----------
Serrà, Serra, Andrzejak. "Cross recurrence quantification for cover song identification." New
Journal of Physics 2009. Serrà, Gómez, Herrera. "Transposing chroma representations to a common
key." 2008.
"""

from __future__ import annotations

import numpy as np

from covers.retrieval.best_path import best_path, pairwise

STACK, KAPPA, GAP = 9, 0.095, 0.5
FRAME_S, MAX_FRAMES = 0.5, 1200


def fold_frames(chroma: np.ndarray) -> np.ndarray:
    """Return (T', 12) float64 frames of half a second, largest value 1, of chroma (36, T)."""
    folded = chroma.reshape(3, 12, -1).sum(axis=0)
    n = folded.shape[1] // 2 * 2
    halves = folded[:, :n].reshape(12, -1, 2).mean(axis=2) if n else folded
    frames = halves.T[:MAX_FRAMES]
    if len(frames) < STACK + 1:
        frames = np.tile(frames, (-(-(STACK + 1) // max(len(frames), 1)), 1))
    return np.ascontiguousarray(frames / np.maximum(frames.max(axis=1, keepdims=True), 1e-9))


def optimal_transposition(a: np.ndarray, b: np.ndarray) -> int:
    """Return the roll of b's pitch classes that brings its mean nearest to a's; frames (T, 12)."""
    profile_a, profile_b = a.mean(axis=0), b.mean(axis=0)
    return int(np.argmax([profile_a @ np.roll(profile_b, s) for s in range(12)]))


def recurrence_plot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the (n, m) boolean cross-recurrence plot of stacked frames."""
    x, y = (np.hstack([f[i : len(f) - STACK + 1 + i] for i in range(STACK)]) for f in (a, b))
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1)[None] - 2 * x @ y.T
    n, m = squares.shape
    rows = np.partition(squares, max(int(KAPPA * m) - 1, 0), axis=1)[:, max(int(KAPPA * m) - 1, 0)]
    columns = np.partition(squares, max(int(KAPPA * n) - 1, 0), axis=0)[max(int(KAPPA * n) - 1, 0)]
    return (squares <= rows[:, None]) & (squares <= columns[None])


def qmax_path(a: np.ndarray, b: np.ndarray, semitones: int) -> tuple[float, int, int, int, int]:
    """Return `best_path` of two recordings' frames, b rolled by so many semitones.

    Serrà et al., equation 7, with one penalty for the onset of a gap and for its extension.
    """
    plot = recurrence_plot(a, np.roll(b, semitones, axis=1))
    return best_path(np.where(plot, np.float32(1), np.float32(-GAP)))


def pair_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the distance of two recordings' frames, the same in both orders.

    essentia divides the root of the second one's length by Qmax; this is the mean over both orders, in
    which Qmax is the same.
    """
    score = max(qmax_path(a, b, optimal_transposition(a, b))[0], 1.0)
    return float((np.sqrt(len(a)) + np.sqrt(len(b))) / 2 / score)


def matching_spans(
    a: np.ndarray, b: np.ndarray
) -> tuple[tuple[float, float], tuple[float, float], int]:
    """Return where two recordings' frames match best: (start, end) [s] in each, and semitones.

    All twelve transpositions are tried; b rolled by the semitones is in the key of a.
    """
    paths = [qmax_path(a, b, semitones) for semitones in range(12)]
    semitones = int(np.argmax([path[0] for path in paths]))
    first_a, first_b, last_a, last_b = (x * FRAME_S for x in paths[semitones][1:])
    stack_s = STACK * FRAME_S  # a stacked frame reaches so far
    return (first_a, last_a + stack_s), (first_b, last_b + stack_s), semitones


def distances(chromas: list[np.ndarray]) -> np.ndarray:
    """Return the distances (n, n) of recordings by their chroma, on all cores."""
    return frame_distances([fold_frames(c) for c in chromas])


def frame_distances(frames: list[np.ndarray]) -> np.ndarray:
    """Return the distances (n, n) of recordings by `fold_frames`, or other (T, 12) frames."""
    return pairwise(pair_distance, frames)
