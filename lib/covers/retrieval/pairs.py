"""Distances of every two recordings of a set: the exhaustive comparison, O(n^2).

*Conventions.* Matrices (n, n) float64, symmetric, 0 on the diagonal; smaller is nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from covers.retrieval import scoring
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.score_norm import CohortStats, cohort_stats, s_norm
from covers.retrieval.scoring import Direction, Similarities

MAX_RECORDINGS = (
    1000  # that are all aligned with one another: a quarter of an hour on two cores, 1 GB
)


@dataclass(frozen=True)
class PairSimilarities:
    """Similarities of every query i, at its tempi, to every candidate j of a set, (n, n) each."""

    track: np.ndarray
    segments: np.ndarray | None = None
    alignment: np.ndarray | None = None

    def select(self, query: int, rows: np.ndarray) -> Similarities:
        """Return the similarities of one query to some candidates."""
        segments, backward, aligned = self.segments, None, None
        if segments is not None:  # without, references are stored at their own tempo alone
            backward = Direction(self.track[rows, query], segments[rows, query])
            segments = segments[query, rows]
        if self.alignment is not None:
            aligned = self.alignment[query, rows]
        return Similarities(Direction(self.track[query, rows], segments), backward, aligned)


def track_distances(tracks: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return distances of track embeddings (n, d), or (n, k, d) at k tempo factors.

    A recording is a query at the nearest of its tempi; the others answer at their own. The mean of both
    directions is taken.
    """
    return symmetrize(scoring.to_distance(track_similarities(tracks, n_transpositions)))


def track_similarities(tracks: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return (n, n) similarities of query i, at its best tempo, to candidate j at its own."""
    queries = tracks[:, None] if tracks.ndim == 2 else tracks
    own = np.ascontiguousarray(queries[:, 0], np.float32)
    rows = [
        scoring.track_similarities(np.asarray(q, np.float32), own, n_transpositions)
        for q in queries
    ]
    return np.stack(rows)


def segment_similarities(embeddings: Sequence[TrackEmbeddings]) -> np.ndarray:
    """Return (n, n) similarities of the most similar segments of query i and candidate j."""
    return np.stack([scoring.segment_similarities(e, embeddings) for e in embeddings])


def embedding_distances(embeddings: Sequence[TrackEmbeddings]) -> np.ndarray:
    """Return distances by track and segment embeddings, which count alike."""
    similar = track_similarities(
        np.stack([e.track for e in embeddings]), embeddings[0].n_transpositions
    )
    if embeddings[0].segments:
        similar = (similar + segment_similarities(embeddings)) / 2
    return symmetrize(scoring.to_distance(similar))


def symmetrize(distances: np.ndarray) -> np.ndarray:
    """Return the mean of a matrix and its transpose, with a zero diagonal."""
    mean = (distances + distances.T) / 2
    np.fill_diagonal(mean, 0.0)
    return mean


def s_normalize(distances: np.ndarray) -> np.ndarray:
    """Return S-norm scores of a distance matrix, with the set itself as the cohort."""
    stats = set_statistics(distances)
    return symmetrize(s_norm(distances, stats, stats))


def track_s_norm(tracks: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return S-norm scores of track embeddings (n, k, d) as the first stage of a search has them.

    Queries take all tempi, candidates their own alone; so do their statistics.
    """
    asked = scoring.to_distance(track_similarities(tracks, n_transpositions))
    own = scoring.to_distance(track_similarities(tracks[:, 0], n_transpositions))
    return symmetrize(s_norm(asked, set_statistics(asked), set_statistics(own)))


def set_statistics(distances: np.ndarray) -> CohortStats:
    """Return the statistics of each row of (n, n) distances, without the diagonal."""
    return cohort_stats(np.where(np.eye(len(distances), dtype=bool), np.nan, distances))


def fuse(*systems: np.ndarray, weights: Sequence[float] | None = None) -> np.ndarray:
    """Return the weighted mean of several systems' S-norm scores.

    References
    ----------
    Chen, Li, Xiao. "Fusing similarity functions for cover song identification." Multimedia Tools
    and Applications 2018.
    """
    return np.average([s_normalize(d) for d in systems], axis=0, weights=weights)
