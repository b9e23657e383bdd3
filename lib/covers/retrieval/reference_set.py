"""A reference set: recordings that a model has embedded, and how a query compares with them.

*Conventions.* Track embeddings are held in memory, (n, d) float32, in the order of ``ids``. Segments and
frames are loaded for the candidates of a query only. Scores are those of `covers.retrieval.scoring`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from covers.models.card import Calibration
from covers.models.model import EmbeddingModel
from covers.retrieval import alignment, calibration, index, pairs, score_norm, scoring
from covers.retrieval.alignment import Alignment
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.pairs import PairSimilarities
from covers.retrieval.score_norm import CohortStats, cohort_stats, mask_copies
from covers.retrieval.scoring import Direction, Scores, Similarities

N_CANDIDATES = 100  # that the second stage scores
N_ALIGNED_COHORT = 200  # of the cohort, that a query's alignments are normalised by
N_INDEX_CANDIDATES = 20  # by an approximate index, whose every answer costs many exact distances
MIN_CALIBRATION_WORKS = 5

Load = Callable[[Sequence[str]], Mapping[str, TrackEmbeddings]]


@dataclass(frozen=True)
class Metadata:
    """What is known of a recording, empty where it is not."""

    title: str = ""
    artist: str = ""
    work_id: str = ""
    split: str = ""


@dataclass(frozen=True)
class Candidates:
    """Candidates of a query, best first: their rows in the reference set, and the first stage's scores."""

    rows: np.ndarray
    scores: Scores


@dataclass(frozen=True)
class Scored:
    """Candidates after the second stage, in the same order, with their alignments (None: not aligned)."""

    rows: np.ndarray
    scores: Scores
    alignments: list[Alignment | None]
    log_odds: np.ndarray | None

    def order(self) -> np.ndarray:
        """Return places in ``rows``, best first."""
        return np.argsort(self.badness, kind="stable")

    @property
    def badness(self) -> np.ndarray:
        """What candidates are ordered by, smaller is better: fused scores, or minus log odds.

        Without a cohort only a calibration can weigh distance and alignment.
        """
        if self.log_odds is None or self.scores.s_norm is not None:
            return self.scores.fused
        return -self.log_odds


@dataclass(frozen=True)
class ReferenceSet:
    """Recordings that a query is compared with.

    Parameters
    ----------
    model : EmbeddingModel
    ids : np.ndarray, shape (n,), of str
    tracks : np.ndarray, shape (n, d), float32
        Track embeddings at the recordings' own tempo.
    metadata : mapping of str to Metadata
    load : Callable
        Recording ids to their embeddings with segments and frames; ids that have none are left out.
    nearest_index : index.Index, optional
        Of the track embeddings, for large sets.
    rejected : mapping of str to str
        Files that could not be read, and why.
    precomputed : PairSimilarities, optional
        Of the set's own recordings, for evaluations in which each of them is a query.
    """

    model: EmbeddingModel
    ids: np.ndarray
    tracks: np.ndarray
    metadata: Mapping[str, Metadata]
    load: Load = field(default=lambda ids: {}, repr=False)
    nearest_index: index.Index | None = field(default=None, repr=False)
    rejected: Mapping[str, str] = field(default_factory=dict)
    precomputed: PairSimilarities | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def with_precomputed(self, similarities: PairSimilarities) -> ReferenceSet:
        """Return the same set with the similarities of its own recordings computed beforehand."""
        return replace(self, precomputed=similarities)

    @property
    def has_cohort(self) -> bool:
        """Whether there are enough recordings for S-norm."""
        return self._has_cohort(exclude=None)

    def _has_cohort(self, exclude: int | None) -> bool:
        return len(self) - (exclude is not None) >= score_norm.MIN_COHORT

    @cached_property
    def cohort(self) -> np.ndarray:
        """Rows of recordings drawn at random that scores are normalised against."""
        return np.random.default_rng(0).permutation(len(self))[: score_norm.MAX_COHORT]

    @cached_property
    def _aligned_cohort(self) -> tuple[np.ndarray, list[TrackEmbeddings]]:
        """Rows of the cohort that have segments and frames, and their embeddings."""
        rows = self.cohort[:N_ALIGNED_COHORT]
        loaded = self._load_rows(rows)
        present = [i for i, e in enumerate(loaded) if e is not None]
        return rows[present], [loaded[i] for i in present]  # type: ignore[misc]

    def _load_rows(self, rows: np.ndarray) -> list[TrackEmbeddings | None]:
        found = self.load(self.ids[rows].tolist())
        return [found.get(i) for i in self.ids[rows].tolist()]

    @cached_property
    def _cohort_distances(self) -> dict[int, np.ndarray]:
        """Track distances of rows to the cohort, (c,) each, computed once a row."""
        return {}

    def query_statistics(self, track: np.ndarray, exclude: int | None = None) -> CohortStats:
        """Return the statistics of the distances of a query (k, d) to the cohort.

        ``exclude``: a row left out of the cohort, that of the query where it is in the set.
        """
        rows = self.cohort if exclude is None else self.cohort[self.cohort != exclude]
        similar = scoring.track_similarities(track, self.tracks[rows], self.model.n_transpositions)
        return cohort_stats(mask_copies(scoring.to_distance(similar)[None]))

    def candidate_statistics(self, rows: np.ndarray, exclude: int | None = None) -> CohortStats:
        """Return the statistics of the distances of references, at their own tempo, to the cohort."""
        missing = [r for r in rows.tolist() if r not in self._cohort_distances]
        for first in range(0, len(missing), 256):
            some = missing[first : first + 256]
            d = scoring.track_distance_matrix(
                self.tracks[some], self.tracks[self.cohort], self.model.n_transpositions
            )
            self._cohort_distances.update(zip(some, d, strict=True))
        d = np.stack([self._cohort_distances[r] for r in rows.tolist()])
        d = np.where(self.cohort[None] == (-1 if exclude is None else exclude), np.nan, d)
        return cohort_stats(mask_copies(d))

    def candidates(
        self, query: TrackEmbeddings, k: int = N_CANDIDATES, exclude: int | None = None
    ) -> Candidates:
        """Return the best k references by track embeddings: the first stage.

        Of the nearest 3 k by distance, or of those that the index finds, the best k by S-norm.

        Parameters
        ----------
        query : TrackEmbeddings
        k : int
        exclude : int, optional
            Row of the query itself, where it is in the set.
        """
        n = self.model.n_transpositions
        if self.nearest_index is not None:
            k = min(k, N_INDEX_CANDIDATES)
            rows, d = self.nearest_index.nearest(query.track, self.tracks, self.keys, n, k + 1)
        else:
            d = scoring.to_distance(scoring.track_similarities(query.track, self.tracks, n))
            rows = np.argsort(d, kind="stable")[: 3 * k + 1]
            d = d[rows]
        if exclude is not None:
            rows, d = rows[rows != exclude], d[rows != exclude]
        normalized = None
        if self._has_cohort(exclude):
            own = self.query_statistics(query.track, exclude)
            theirs = self.candidate_statistics(rows, exclude)
            normalized = score_norm.s_norm(d[None], own, theirs)[0]
        order = np.argsort(d if normalized is None else normalized, kind="stable")[:k]
        scores = Scores(d[order], None if normalized is None else normalized[order], None)
        return Candidates(rows[order], scores)

    def score(self, query: TrackEmbeddings, rows: np.ndarray, exclude: int | None = None) -> Scored:
        """Return the second stage's scores of candidates: segments, alignment, log odds."""
        is_normalized, stats = self._has_cohort(exclude), None
        if self.precomputed is not None and exclude is not None:
            similar = self.precomputed.select(exclude, rows)
            alignments: list[Alignment | None] = [None] * len(rows)
            others = self.cohort[self.cohort != exclude][:N_ALIGNED_COHORT]
            cohort = self.precomputed.select(exclude, others) if is_normalized else None
        else:
            similar, alignments = self._similarities(query, rows, self._load_rows(rows))
            cohort = self.cohort_similarities(query, similar, exclude) if is_normalized else None
        if cohort is not None:
            stats = self.candidate_statistics(rows, exclude)
        scores = scoring.score(similar, cohort, stats)
        return Scored(rows, scores, alignments, scores.log_odds(self.calibration))

    def cohort_similarities(
        self, query: TrackEmbeddings, candidates: Similarities, exclude: int | None = None
    ) -> Similarities:
        """Compare a query with the cohort, by the levels that the candidates were compared by."""
        rows, embeddings = self._aligned_cohort
        has_segments = candidates.backward is not None
        if not (has_segments or candidates.alignment is not None) or not len(rows):
            rows = self.cohort[self.cohort != exclude]
            n = self.model.n_transpositions
            track = scoring.track_similarities(query.track, self.tracks[rows], n)
            return Similarities(Direction(track))
        keep = rows != exclude
        kept = [e for e, is_kept in zip(embeddings, keep, strict=True) if is_kept]
        found, _ = self._similarities(query, rows[keep], kept)
        if has_segments:
            return found
        return Similarities(Direction(found.forward.track), None, found.alignment)

    def _similarities(
        self, query: TrackEmbeddings, rows: np.ndarray, loaded: Sequence[TrackEmbeddings | None]
    ) -> tuple[Similarities, list[Alignment | None]]:
        """Compare a query with recordings, by all levels if all of them have them, else by track."""
        track = scoring.track_similarities(
            query.track, self.tracks[rows], self.model.n_transpositions
        )
        alignments: list[Alignment | None] = [None] * len(rows)
        present = [e for e in loaded if e is not None]
        if not query.segments or len(present) < len(rows) or not len(rows):
            backward, segments = None, None
        else:
            segments = scoring.segment_similarities(query, present)
            backward = Direction(
                scoring.track_similarities_reversed(query, present),
                scoring.segment_similarities_reversed(query, present),
            )
        similar = Similarities(Direction(track, segments), backward)
        if query.frames is None:
            return similar, alignments
        places = [i for i, e in enumerate(loaded) if e is not None and e.frames is not None]
        found = alignment.align_many(query, [loaded[i] for i in places])  # type: ignore[misc]
        values = np.full(len(rows), np.nan)
        for place, a in zip(places, found, strict=True):
            alignments[place], values[place] = a, a.score
        return replace(similar, alignment=values), alignments

    @cached_property
    def calibration(self) -> Mapping[str, Calibration]:
        """Lines from scores to log odds: the card's, and one fitted on validation works if it lacks that."""
        lines = self.model.card.calibration
        kind = "s_norm" if self.has_cohort else "distance"
        if kind in lines:
            return lines
        works = np.array([self.metadata[i].work_id for i in self.ids])
        held_back = [self.metadata[i].split == "validation" for i in self.ids]
        rows = np.flatnonzero(held_back & (works != ""))[: score_norm.MAX_COHORT]
        _, counts = np.unique(works[rows], return_counts=True)
        if (counts > 1).sum() < MIN_CALIBRATION_WORKS:
            return lines
        return {**lines, kind: calibration.fit_works(self.first_stage_scores(rows), works[rows])}

    def first_stage_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the first stage's scores of every two of these recordings, (n, n)."""
        d = pairs.track_distances(self.tracks[rows], self.model.n_transpositions)
        if not self.has_cohort:
            return d
        stats = self.candidate_statistics(rows)
        return score_norm.s_norm(d, stats, stats)

    @cached_property
    def random_pairs(self) -> np.ndarray:
        """First-stage scores of random pairs of the set, sorted: what non-covers look like."""
        n = len(self.cohort)
        return np.sort(self.first_stage_scores(self.cohort)[np.triu_indices(n, 1)])

    @cached_property
    def keys(self) -> np.ndarray:
        """Keys by which an index knows the embeddings."""
        return index.keys_of(self.ids, self.tracks)
