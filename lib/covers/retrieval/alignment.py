"""Local alignment of frame embeddings: whether two recordings are alike in order, and where.

*Conventions.* Frames (t, d) of unit norm, d = n_transpositions rows flattened. Two recordings are aligned at
the optimal transposition of their track embeddings. A pair of frames gains by how much it is more similar
than frames of unrelated songs are, and than each of the two is to nine tenths of the other recording.

References
----------
Smith, Waterman. "Identification of common molecular subsequences." Journal of Molecular Biology 1981.
Serrà, Serra, Andrzejak. "Cross recurrence quantification for cover song identification." New Journal of
Physics 2009 (mutual nearest neighbours, steps).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from covers.models.similarity import transpose
from covers.retrieval.best_path import best_path, pairwise
from covers.retrieval.embedding import TrackEmbeddings

QUANTILE = 0.9
NON_COVER_STD = 0.03  # standard deviation of the similarity of two frames of unrelated songs


@dataclass(frozen=True)
class Alignment:
    """A score, the matching span of each recording (first, last) [frames], and the transposition.

    ``transposition``: semitones by which the second recording is played higher, -5 to 6.
    """

    score: float
    span_a: tuple[int, int]
    span_b: tuple[int, int]
    transposition: int = 0


def frame_gains(similarities: np.ndarray) -> np.ndarray:
    """Return what each pair of frames adds to a path, float32, from their similarities (t, u).

    0 is where a pair is as similar as the largest of `NON_COVER_STD` and the `QUANTILE` of its row and
    of its column: a drone, similar to everything, gains nothing.
    """
    of_row = np.quantile(similarities, QUANTILE, axis=1, keepdims=True)
    of_column = np.quantile(similarities, QUANTILE, axis=0, keepdims=True)
    expected = np.maximum(np.maximum(of_row, of_column), NON_COVER_STD)
    return (similarities - expected).astype(np.float32) / np.float32(NON_COVER_STD)


def align_frames(a: np.ndarray, b: np.ndarray) -> Alignment:
    """Align frames (t, d) and (u, d) that are in one key.

    The score is divided by the square root of the geometric mean of both lengths: long recordings have
    more paths to choose the best of.
    """
    gains = np.pad(frame_gains(a @ b.T), ((2, 0), (2, 0)))
    total, *ends = best_path(gains)
    first_a, first_b, last_a, last_b = (max(end - 2, 0) for end in ends)
    score = total / float(len(a) * len(b)) ** 0.25
    return Alignment(score, (first_a, last_a), (first_b, last_b))


def align(a: TrackEmbeddings, b: TrackEmbeddings) -> Alignment:
    """Align two recordings at the optimal transposition of their track embeddings.

    Raises
    ------
    ValueError
        If one of them has no frame embeddings.
    """
    if a.frames is None or b.frames is None:
        raise ValueError("both recordings must have frame embeddings to be aligned, got none")
    n = a.n_transpositions
    shift = int(np.argmax(transpose(a.track[:1], n)[:, 0] @ b.track[0]))
    rows = np.asarray(a.frames, np.float32).reshape(len(a.frames), n, -1)
    rolled = np.roll(rows, shift, axis=1).reshape(len(rows), -1)
    found = align_frames(rolled, np.asarray(b.frames, np.float32))
    # Rows were rolled down by `semitones`; rolling a's up by `shift` makes it fit b's.
    higher = (b.semitones - a.semitones + shift + 5) % n - 5
    return Alignment(found.score, found.span_a, found.span_b, higher)


def align_many(query: TrackEmbeddings, others: Sequence[TrackEmbeddings]) -> list[Alignment]:
    """Align a query with many recordings, on all cores."""
    jobs = (delayed(align)(query, other) for other in others)
    with threadpool_limits(1):  # as in `pairwise`
        return Parallel(n_jobs=-1, prefer="threads")(jobs)


def alignment_scores(embeddings: Sequence[TrackEmbeddings]) -> np.ndarray:
    """Return the alignment scores of every two of n recordings, (n, n), 0 on the diagonal."""
    return pairwise(lambda a, b: align(a, b).score, embeddings)
