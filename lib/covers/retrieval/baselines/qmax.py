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

from covers.retrieval import paths

STACK, KAPPA, GAP = 9, 0.095, 0.5
FRAME_S, MAX_FRAMES = 0.5, 1200


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


def path_of(a: np.ndarray, b: np.ndarray, semitones: int) -> tuple[float, int, int, int, int]:
    """Return `longest_path` of two recordings' `features`, b turned by so many semitones.

    Serrà et al., equation 7, with one penalty for the onset of a gap and for its extension.
    """
    plot = recurrence(a, np.roll(b, semitones, axis=1))
    return paths.longest_path(np.where(plot, np.float32(1), np.float32(-GAP)))


def pair_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the distance of two recordings' `features`, whichever comes first.

    essentia divides the root of the second one's length by Qmax; this is the mean of both orders,
    for Qmax is the same in both.
    """
    score = max(path_of(a, b, best_transposition(a, b))[0], 1.0)
    return float((np.sqrt(len(a)) + np.sqrt(len(b))) / 2 / score)


def aligned(a: np.ndarray, b: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], int]:
    """Return where two recordings' `features` match best: (from, to) [s] in each, and the semitones.

    All twelve keys are tried: b, turned by the semitones, is in the key of a.
    """
    paths = [path_of(a, b, semitones) for semitones in range(12)]
    semitones = int(np.argmax([path[0] for path in paths]))
    first_a, first_b, last_a, last_b = (x * FRAME_S for x in paths[semitones][1:])
    whole = STACK * FRAME_S  # a stacked frame reaches so far
    return (first_a, last_a + whole), (first_b, last_b + whole), semitones


def distances(chromas: list[np.ndarray]) -> np.ndarray:
    """Return the (n, n) distances of recordings, on all cores."""
    return distances_of([features(c) for c in chromas])


def distances_of(frames: list[np.ndarray]) -> np.ndarray:
    """Return the (n, n) distances of recordings by their `features`, or other (T, 12) frames."""
    return paths.of_pairs(pair_distance, frames)


def match(own: np.ndarray, other: np.ndarray | None) -> dict[str, str]:
    """Return where two chromas match best, as minutes and seconds in each of them."""
    if other is None:
        return {"match here": "", "match there": ""}
    here, there, _ = aligned(features(own), features(other))
    return paths.match(here, there)
