"""One scorer for search, pairs and evaluation: similarities, S-norm, alignment, log odds.

A query is compared with candidates in two stages. The first takes track embeddings alone and is cheap:
it proposes candidates. The second adds segment embeddings and the alignment of frames. Both are
normalised against a cohort of the reference set where it is large enough (`covers.retrieval.score_norm`).

*Conventions.* Arrays are (m,) over references, for one query. Distances are in [0, 2], smaller is nearer.
Alignment scores are larger for better alignments; normalised, they are standard deviations above the mean
of the query's alignments with the cohort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from covers.models.card import Calibration
from covers.models.similarity import distance, similarity_matrix
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.score_norm import COPY_RATIO, CohortStats, cohort_stats, mask_copies, s_norm

ALIGNMENT_WEIGHT = 0.5  # beside track and segment embeddings, both normalised (docs/decisions/0014)


def track_similarities(query: np.ndarray, tracks: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return (m,) similarities of a query (k, d), at its best tempo, to tracks (m, d)."""
    x = torch.from_numpy(np.ascontiguousarray(tracks, np.float32))
    return similarity_matrix(x, torch.from_numpy(query), n_transpositions).amax(dim=1).numpy()


def track_distance_matrix(a: np.ndarray, b: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return (n, m) distances of track embeddings (n, d) and (m, d)."""
    x, y = (torch.from_numpy(np.ascontiguousarray(v, np.float32)) for v in (a, b))
    return distance(similarity_matrix(x, y, n_transpositions)).numpy().astype(np.float64)


def track_similarities_reversed(
    query: TrackEmbeddings, others: Sequence[TrackEmbeddings]
) -> np.ndarray:
    """Return (m,) similarities with the roles swapped: candidates at their best tempo, query at its own."""
    counts = [len(other.track) for other in others]
    stacked = np.concatenate([other.track for other in others])
    found = track_similarities(query.track[:1], stacked, query.n_transpositions)
    return np.array([part.max() for part in np.split(found, np.cumsum(counts)[:-1])])


def segment_similarities(query: TrackEmbeddings, others: Sequence[TrackEmbeddings]) -> np.ndarray:
    """Return (m,) similarities of the query's and each candidate's most similar segments.

    The query's segments are taken at all its tempo factors, a candidate's at its own tempo.
    """
    asked = np.concatenate(query.segments)
    return _most_similar(asked, [other.segments[0] for other in others], query.n_transpositions)


def segment_similarities_reversed(
    query: TrackEmbeddings, others: Sequence[TrackEmbeddings]
) -> np.ndarray:
    """Return (m,) segment similarities with the roles swapped, as `track_similarities_reversed`."""
    candidates = [np.concatenate(other.segments) for other in others]
    return _most_similar(query.segments[0], candidates, query.n_transpositions)


def _most_similar(
    asked: np.ndarray, candidates: Sequence[np.ndarray], n_transpositions: int
) -> np.ndarray:
    """Return (m,) largest similarities of any row of ``asked`` to any row of each candidate."""
    own = [torch.from_numpy(np.asarray(rows, np.float32)) for rows in candidates]
    x = torch.from_numpy(np.asarray(asked, np.float32))
    nearest = similarity_matrix(torch.cat(own), x, n_transpositions).amax(dim=1)
    return torch.stack([part.max() for part in nearest.split([len(rows) for rows in own])]).numpy()


def to_distance(similarities: np.ndarray) -> np.ndarray:
    """Turn similarities of unit vectors into distances, 0 to 2."""
    return distance(torch.from_numpy(np.asarray(similarities))).numpy().astype(np.float64)


@dataclass(frozen=True)
class Direction:
    """Similarities of m references to one query, one of the two at all its tempi: (m,) each."""

    track: np.ndarray
    segments: np.ndarray | None = None

    @property
    def distance(self) -> np.ndarray:
        """Distances by track and segments, which count alike; by track alone where there are none."""
        if self.segments is None:
            return to_distance(self.track)
        return to_distance((self.track + self.segments) / 2)


@dataclass(frozen=True)
class Similarities:
    """How similar m references are to one query, by every level that the model has.

    Parameters
    ----------
    forward : Direction
        The query at all its tempi, references at their own.
    backward : Direction, optional
        The reverse, where the references' embeddings at other tempi are known.
    alignment : np.ndarray, shape (m,), optional
        Alignment scores; NaN for a reference without frame embeddings.
    """

    forward: Direction
    backward: Direction | None = None
    alignment: np.ndarray | None = None

    @property
    def distance(self) -> np.ndarray:
        """Mean of the distances in both directions."""
        if self.backward is None:
            return self.forward.distance
        return (self.forward.distance + self.backward.distance) / 2


@dataclass(frozen=True)
class Scores:
    """What log odds are computed from, (m,) each; without a cohort `s_norm` is None."""

    distance: np.ndarray
    s_norm: np.ndarray | None
    alignment: np.ndarray | None

    @property
    def order_by(self) -> np.ndarray:
        """Score before calibration, smaller is better."""
        return self.distance if self.s_norm is None else self.s_norm

    @property
    def fused(self) -> np.ndarray:
        """What candidates are ordered by, smaller is better.

        With a cohort the mean of S-norm and minus the alignment, both normalised; a candidate that could
        not be aligned has its S-norm. Without a cohort the two have no common unit: the distance.
        """
        if self.s_norm is None or self.alignment is None:
            return self.order_by
        mean = (1 - ALIGNMENT_WEIGHT) * self.s_norm - ALIGNMENT_WEIGHT * self.alignment
        return np.where(np.isnan(self.alignment), self.s_norm, mean)

    def log_odds(self, lines: Mapping[str, Calibration]) -> np.ndarray | None:
        """Return log odds of a cover at even prior odds; None if no line fits these scores.

        Lines take the fused scores (``fused``), S-norm (``s_norm``), the distance and the alignment
        (``distance_alignment``) or the distance (``distance``). A candidate that could not be aligned takes
        the line without alignment; where there is none, the other as if it had no alignment (score 0).
        """
        plain = lines.get("distance" if self.s_norm is None else "s_norm")
        odds = plain.log_odds(self.order_by) if plain else None
        aligned = lines.get("distance_alignment" if self.s_norm is None else "fused")
        if self.alignment is None or aligned is None:
            return odds
        scores = np.nan_to_num(self.alignment)
        with_alignment = (
            aligned.log_odds(self.distance, scores)
            if self.s_norm is None
            else aligned.log_odds(self.fused)
        )
        fallback = with_alignment if odds is None else odds
        return np.where(np.isnan(self.alignment), fallback, with_alignment)


def score(
    candidates: Similarities,
    cohort: Similarities | None = None,
    candidate_stats: CohortStats | None = None,
) -> Scores:
    """Return the scores of candidates, normalised where there is a cohort.

    Parameters
    ----------
    candidates : Similarities
        Of m candidates to the query.
    cohort : Similarities, optional
        Of the cohort to the same query, by the same levels.
    candidate_stats : CohortStats, optional
        Of the m candidates' own track distances to the cohort.
    """
    if cohort is None or candidate_stats is None:
        return Scores(candidates.distance, None, candidates.alignment)
    to_cohort = cohort.distance
    normalized = s_norm(
        candidates.distance[None], cohort_stats(mask_copies(to_cohort[None])), candidate_stats
    )[0]
    aligned = candidates.alignment
    if aligned is not None:
        aligned = _normalize_alignment(aligned, cohort.alignment, to_cohort)
    return Scores(candidates.distance, normalized, aligned)


def _normalize_alignment(
    alignment: np.ndarray, of_cohort: np.ndarray | None, to_cohort: np.ndarray
) -> np.ndarray | None:
    """Return alignment scores in standard deviations above the query's mean.

    None where no recording of the cohort could be aligned: raw scores have another unit than S-norm.
    """
    # Only the query's side is normalised: a candidate's would take an alignment with the whole cohort.
    is_copy = to_cohort < COPY_RATIO * np.nanmedian(to_cohort)
    others = np.full(1, np.nan) if of_cohort is None else np.where(is_copy, np.nan, of_cohort)
    if np.isnan(others).all():
        return None
    return (alignment - float(np.nanmean(others))) / max(float(np.nanstd(others)), 1e-9)
