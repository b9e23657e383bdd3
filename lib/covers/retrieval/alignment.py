"""Local alignment of what a network hears, window by window: the order of a song, not its sum alone.

*Conventions.* Windows (t, d) of unit norm, as `covers.retrieval.hearing.Heard` has them, d = n_transpositions rows
after one another. Two recordings are aligned in the key in which their wholes are nearest. What a pair of
windows adds to a path is by how much they are more alike than strangers are and than each is with
nine tenths of the other recording.

References
----------
Smith, Waterman. "Identification of common molecular subsequences." Journal of Molecular Biology 1981.
Serrà, Serra, Andrzejak. "Cross recurrence quantification for cover song identification." New Journal of
Physics 2009 (neighbours on both sides, steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from covers.retrieval.hearing import Heard
from covers.retrieval.paths import longest_path, of_pairs
from covers.retrieval.scoring import rolled

QUANTILE = 0.9
STRANGERS = 0.03  # one standard deviation of the similarity of windows of two songs
WEIGHT = 0.3  # of alignment beside wholes and stretches
MOST = 1000  # recordings that are all aligned with one another: a quarter of an hour on two cores, 1 GB


def gains(similarities: np.ndarray) -> np.ndarray:
    """Return what each pair of windows adds to a path, from their similarities (t, u); float32.

    0 is where a pair is as alike as the largest of: `STRANGERS`, and the `QUANTILE` of its row and of
    its column.
    """
    of_row = np.quantile(similarities, QUANTILE, axis=1, keepdims=True)
    of_column = np.quantile(similarities, QUANTILE, axis=0, keepdims=True)
    usual = np.maximum(np.maximum(of_row, of_column), STRANGERS)
    return (similarities - usual).astype(np.float32) / np.float32(STRANGERS)


@dataclass(frozen=True)
class Aligned:
    """How much two recordings gain along their longest path, and where it is in each: (from, to) [windows]."""

    score: float
    here: tuple[int, int]
    there: tuple[int, int]


def align(a: np.ndarray, b: np.ndarray) -> Aligned:
    """Align two recordings' windows (t, d) and (u, d), which are in one key.

    The score is divided by the root of the geometric mean of their lengths: long recordings have more
    paths.
    """
    added = np.pad(gains(a @ b.T), ((2, 0), (2, 0)))  # whose first two count for nothing
    gained, *ends = longest_path(added)
    first_a, first_b, last_a, last_b = (max(place - 2, 0) for place in ends)
    score = gained / float(len(a) * len(b)) ** 0.25
    return Aligned(score, (first_a, last_a), (first_b, last_b))


def of_pair(a: Heard, b: Heard, n_transpositions: int) -> Aligned:
    """Align two recordings in the key in which their wholes are nearest."""
    roll = int(np.argmax(rolled(a.wholes[:1], n_transpositions)[:, 0] @ b.wholes[0]))
    windows = _windows(a).reshape(-1, n_transpositions, b.wholes.shape[1] // n_transpositions)
    return align(np.roll(windows, roll, axis=1).reshape(len(windows), -1), _windows(b))


def _windows(heard: Heard) -> np.ndarray:
    return np.asarray(heard.windows, np.float32)


def distances(heard: Sequence[Heard], n_transpositions: int) -> np.ndarray:
    """Return minus the score of every two recordings, (n, n), 0 on the diagonal; on all cores."""
    return of_pairs(lambda a, b: -of_pair(a, b, n_transpositions).score, heard)
