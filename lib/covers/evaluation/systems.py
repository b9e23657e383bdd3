"""Every system on one evaluation set: what a search returns, the exhaustive comparison, baselines.

*Conventions.* Distances are (n, n), row = query, smaller is nearer. Systems:

``search``            what `find_covers` ranks: candidates, S-norm, alignment, probability
``exhaustive``        every two recordings compared by track, segments and alignment, all S-normalised
``exhaustive_raw``    the same by track and segments, neither normalised nor aligned
``track``             track embeddings with S-norm: the first stage of a search
``alignment``         alignment of frames alone, not normalised
``qmax``, ``qmax_s_norm``, ``fourier2d``, ``raw_features``   baselines; ``exhaustive_qmax`` is fused with Qmax
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from covers.evaluation import metrics
from covers.models.model import EmbeddingModel, one_thread
from covers.retrieval import alignment, pairs
from covers.retrieval.baselines import fourier2d, qmax, raw_features
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.pairs import PairSimilarities
from covers.retrieval.reference_reader import reference_set_of
from covers.retrieval.reference_set import (
    N_CANDIDATES,
    Metadata,
    ReferenceSet,
)
from covers.retrieval.scoring import ALIGNMENT_WEIGHT, to_distance

COVERAGE_AT = (10, 50, 100, 500)


@dataclass(frozen=True)
class EvaluationSet:
    """Recordings of known works, in one order, and what the systems need of them.

    Parameters
    ----------
    name : str
    recording_ids, titles : list of str
    works : np.ndarray, shape (n,)
    chromas : list of np.ndarray, shape (36, T)
    models : mapping of str to EmbeddingModel
        By the name of the system.
    embeddings : mapping of str to list of TrackEmbeddings
        Of the same names.
    """

    name: str
    recording_ids: list[str]
    titles: list[str]
    works: np.ndarray
    chromas: list[np.ndarray]
    models: Mapping[str, EmbeddingModel] = field(default_factory=dict)
    embeddings: Mapping[str, list[TrackEmbeddings]] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchResult:
    """What searching with each recording of a set among the others gives.

    Parameters
    ----------
    distances : np.ndarray, shape (n, n)
        Minus log odds of candidates, or their fused scores; other recordings come after them.
    log_odds : np.ndarray, shape (n, n), or None
        NaN where a recording was not a candidate.
    coverage : mapping of int to float
        Share of the covers among the first K of the first stage.
    """

    distances: np.ndarray
    log_odds: np.ndarray | None
    coverage: Mapping[int, float]


def compare_pairs(embeddings: Sequence[TrackEmbeddings]) -> PairSimilarities:
    """Return the similarities of every query to every candidate; not aligned beyond a set's limit."""
    tracks = np.stack([e.track for e in embeddings])
    similar = pairs.track_similarities(tracks, embeddings[0].n_transpositions)
    segments = pairs.segment_similarities(embeddings) if embeddings[0].segments else None
    aligned = None
    if embeddings[0].frames is not None and len(embeddings) <= pairs.MAX_RECORDINGS:
        aligned = alignment.alignment_scores(embeddings)
    return PairSimilarities(similar, segments, aligned)


def search_all(
    model: EmbeddingModel,
    embeddings: Sequence[TrackEmbeddings],
    works: np.ndarray,
    similarities: PairSimilarities,
) -> SearchResult:
    """Search with every recording among all others, by the steps of `find_covers`."""
    references = reference_set(model, embeddings, similarities)
    n = len(embeddings)
    distances, odds = np.zeros((n, n)), np.full((n, n), np.nan)
    found: dict[int, list[float]] = {k: [] for k in COVERAGE_AT}
    for query, own in enumerate(embeddings):
        first = references.candidates(own, n, exclude=query)
        is_cover = works[first.rows] == works[query]
        if is_cover.any():
            for k, shares in found.items():
                shares.append(float(is_cover[:k].sum() / is_cover.sum()))
        rows = references.candidates(own, N_CANDIDATES, exclude=query).rows
        scored = references.score(own, rows, exclude=query)
        distances[query, rows] = scored.badness
        if scored.log_odds is not None:
            odds[query, rows] = scored.log_odds
        # Everything else comes after the candidates, in the first stage's order.
        rest = first.rows[~np.isin(first.rows, rows)]
        distances[query, rest] = scored.badness.max(initial=0.0) + 1 + np.arange(len(rest))
    coverage = {k: float(np.mean(shares)) for k, shares in found.items()}
    return SearchResult(distances, None if np.isnan(odds).all() else odds, coverage)


def reference_set(
    model: EmbeddingModel, embeddings: Sequence[TrackEmbeddings], similarities: PairSimilarities
) -> ReferenceSet:
    """Return a set's recordings as references for one another."""
    named = {str(i): e for i, e in enumerate(embeddings)}
    references = reference_set_of(named, model, dict.fromkeys(named, Metadata()))
    return references.with_precomputed(similarities)


def exhaustive(similarities: PairSimilarities) -> np.ndarray:
    """Return the distances of the exhaustive system: S-norm on both sides, alignment included."""
    plain = exhaustive_raw(similarities)
    if similarities.alignment is None:
        return pairs.s_normalize(plain)
    weights = (1 - ALIGNMENT_WEIGHT, ALIGNMENT_WEIGHT)
    return pairs.fuse(plain, -similarities.alignment, weights=weights)


def exhaustive_raw(similarities: PairSimilarities) -> np.ndarray:
    """Return distances by track and segment embeddings, not normalised."""
    if similarities.segments is None:
        return pairs.symmetrize(to_distance(similarities.track))
    return pairs.symmetrize(to_distance((similarities.track + similarities.segments) / 2))


@one_thread()
def compare_systems(
    data: EvaluationSet, *, baselines: bool = True
) -> tuple[dict[str, np.ndarray], SearchResult | None]:
    """Return the distances of every system, and the search by the model called ``model``.

    Every other model of the set is a system of its own name: a search by it.
    """
    distances: dict[str, np.ndarray] = {}
    result = None
    for name, model in data.models.items():
        embeddings = data.embeddings[name]
        similarities = compare_pairs(embeddings)
        searched = search_all(model, embeddings, data.works, similarities)
        if name != "model":
            distances[name] = searched.distances
            continue
        result = searched
        distances["search"] = searched.distances
        distances["exhaustive"] = exhaustive(similarities)
        distances["exhaustive_raw"] = exhaustive_raw(similarities)
        tracks = np.stack([e.track for e in embeddings])
        distances["track"] = pairs.track_s_norm(tracks, embeddings[0].n_transpositions)
        if similarities.alignment is not None:
            distances["alignment"] = -similarities.alignment
    distances["raw_features"] = raw_features.distances(data.chromas)
    if baselines:
        distances["fourier2d"] = fourier2d.distances(data.chromas)
        distances["qmax"] = qmax.distances(data.chromas)
        distances["qmax_s_norm"] = pairs.s_normalize(distances["qmax"])
        if "exhaustive" in distances:
            both = distances["exhaustive"], distances["qmax"]
            distances["exhaustive_qmax"] = pairs.fuse(*both)
    return distances, result


def false_positives(
    distances: np.ndarray, data: EvaluationSet, n: int = 10
) -> list[dict[str, object]]:
    """Return the nearest pairs that are not covers, and where their chroma matches best (Qmax)."""
    mean = (distances + distances.T) / 2
    i, j = np.triu_indices(len(data.works), 1)
    is_non_cover = data.works[i] != data.works[j]
    order = np.argsort(mean[i, j][is_non_cover])[:n]
    rows = []
    for a, b in zip(i[is_non_cover][order], j[is_non_cover][order], strict=True):
        spans = qmax.matching_spans(*(qmax.fold_frames(data.chromas[x]) for x in (a, b)))
        rows.append(
            {
                "recording_a": data.recording_ids[a],
                "title_a": data.titles[a],
                "recording_b": data.recording_ids[b],
                "title_b": data.titles[b],
                "distance": float(mean[a, b]),
                "span_a": spans[0],
                "span_b": spans[1],
            }
        )
    return rows


def candidate_pairs(result: SearchResult, works: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (log odds, is cover) of all pairs of query and candidate; empty without calibration."""
    if result.log_odds is None:
        return np.empty(0), np.empty(0, bool)
    i, j = np.nonzero(~np.isnan(result.log_odds))
    return result.log_odds[i, j], works[i] == works[j]


def queries_of(data: EvaluationSet) -> np.ndarray:
    """Return the works of the set's queries: recordings that have a cover in it."""
    return data.works[metrics.queries(data.works)]
