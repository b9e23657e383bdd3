"""Search and comparison of audio files: the best references, how probable a cover is, where they match.

The steps are those of an evaluation: candidates by track embeddings, then S-norm, alignment, probability
(`covers.retrieval.reference_set`). With several references one cover, or none, is expected among them.

*Conventions.* Spans are (start, end) [s]. A transposition is by how many semitones the reference is played
higher than the query, -5 to 6. A tempo ratio above 1: the reference is played faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from covers.audio import extract
from covers.audio.features import parameters
from covers.models.model import EmbeddingModel, one_thread
from covers.retrieval import alignment, calibration, scoring
from covers.retrieval.alignment import Alignment
from covers.retrieval.baselines import qmax
from covers.retrieval.calibration import EVEN
from covers.retrieval.embedding import TrackEmbeddings, extract_embeddings
from covers.retrieval.reference_set import N_CANDIDATES, Metadata, ReferenceSet
from covers.retrieval.scoring import Direction, Scores, Similarities

Span = tuple[float, float]
MIN_TEMPO_SPAN_S = 10.0  # a shorter match says too little of the tempo


@dataclass(frozen=True)
class Query:
    """An audio file as a query: its embeddings, its chroma, and its length [s]."""

    path: str
    embeddings: TrackEmbeddings
    chroma: np.ndarray

    @property
    def duration_s(self) -> float:
        """Length of the recording [s]."""
        return self.chroma.shape[1] / parameters("chroma").frames_per_second


@dataclass(frozen=True)
class Place:
    """Where two recordings match; None where that is not known."""

    span_query: Span | None = None
    span_reference: Span | None = None
    transposition: int | None = None
    tempo_ratio: float | None = None


@dataclass(frozen=True)
class Match:
    """One reference that a search returns."""

    rank: int
    recording_id: str
    title: str
    artist: str
    work_id: str
    probability: float | None
    distance: float
    s_norm: float | None
    alignment: float | None
    place: Place
    random_pairs_nearer: float | None = None  # share, where no probability can be calibrated

    def to_dict(self) -> dict[str, object]:
        """Return plain data, ready for JSON: the place's entries beside the others."""
        row = asdict(self)
        return {k: v for k, v in (row | row.pop("place")).items() if k != "place"}


@dataclass(frozen=True)
class Comparison:
    """Whether two recordings are covers of one work, and where they match."""

    probability: float | None
    distance: float
    s_norm: float | None
    alignment: float | None
    transposition: int | None
    tempo_ratio: float | None
    span_a: Span | None
    span_b: Span | None


def read_query(path: str, model: EmbeddingModel) -> Query:
    """Decode and embed one audio file.

    Raises
    ------
    InputError
        If the file is missing or cannot be decoded.
    """
    kind = model.card.representation
    tensor = extract.decode_tensor(path, kind)
    chroma = tensor if kind == "chroma" else extract.decode_tensor(path, "chroma")
    rate = parameters(kind).frames_per_second
    return Query(path, extract_embeddings(model, tensor, rate), chroma)


def search(
    references: ReferenceSet,
    query: Query,
    k: int = 5,
    chromas: Mapping[str, np.ndarray] | None = None,
    n_candidates: int = N_CANDIDATES,
) -> list[Match]:
    """Return the k best references, best first.

    Parameters
    ----------
    references : ReferenceSet
    query : Query
    k : int
    chromas : mapping of str to np.ndarray, optional
        Chroma of references, to tell where a match is if the model has no frame embeddings.
    n_candidates : int
        That the second stage scores; at least k.
    """
    first = references.candidates(query.embeddings, max(k, n_candidates))
    scored = references.score(query.embeddings, first.rows)
    order = scored.order()[:k]
    odds = scored.log_odds
    prior = calibration.prior_among(len(references))
    found = []
    for rank, place in enumerate(order.tolist(), 1):
        recording_id = str(references.ids[scored.rows[place]])
        known = references.metadata.get(recording_id, Metadata())
        chroma = (chromas or {}).get(recording_id)
        p = None if odds is None else round(float(calibration.probability(odds[place], prior)), 4)
        nearer = None
        if p is None and len(references) > 1:
            nearer = _share_nearer(references, first.scores.order_by[place])
        found.append(
            Match(
                rank=rank,
                recording_id=recording_id,
                title=known.title,
                artist=known.artist,
                work_id=known.work_id,
                probability=p,
                distance=float(scored.scores.distance[place]),
                s_norm=_entry(scored.scores.s_norm, place),
                alignment=_entry(scored.scores.alignment, place),
                place=_place(references.model, query, scored.alignments[place], chroma),
                random_pairs_nearer=nearer,
            )
        )
    return found


def _share_nearer(references: ReferenceSet, score: float) -> float:
    """Return the share of random pairs of references whose first-stage score is not larger."""
    n_nearer = np.searchsorted(references.random_pairs, score, side="right")
    return float(n_nearer / len(references.random_pairs))


@one_thread()
def compare(
    a: Query, b: Query, model: EmbeddingModel, references: ReferenceSet | None = None
) -> Comparison:
    """Compare two recordings, each as the query once; scores are the mean of both directions.

    Parameters
    ----------
    a, b : Query
    model : EmbeddingModel
    references : ReferenceSet, optional
        Of the same model: its cohort normalises the scores if it is large enough.
    """
    x, y = a.embeddings, b.embeddings
    both = [_score_pair(p, q, references) for p, q in ((x, y), (y, x))]
    mean = Scores(
        np.mean([s.distance for s in both], axis=0),
        _mean([s.s_norm for s in both]),
        _mean([s.alignment for s in both]),
    )
    lines = references.calibration if references is not None else model.card.calibration
    odds = mean.log_odds(lines)
    aligned = alignment.align(x, y) if x.frames is not None and y.frames is not None else None
    place = _place(model, a, aligned, b.chroma)
    return Comparison(
        None if odds is None else round(float(calibration.probability(odds)[0]), 4),
        float(mean.distance[0]), _entry(mean.s_norm, 0), _entry(mean.alignment, 0),
        place.transposition, place.tempo_ratio, place.span_query, place.span_reference,
    )  # fmt: skip


def _score_pair(
    query: TrackEmbeddings, other: TrackEmbeddings, references: ReferenceSet | None
) -> Scores:
    n = query.n_transpositions
    forward = Direction(scoring.track_similarities(query.track, other.track[:1], n))
    backward = aligned = None
    if query.segments and other.segments:
        forward = Direction(forward.track, scoring.segment_similarities(query, [other]))
        backward = Direction(
            scoring.track_similarities_reversed(query, [other]),
            scoring.segment_similarities_reversed(query, [other]),
        )
    if query.frames is not None and other.frames is not None:
        aligned = np.array([alignment.align(query, other).score])
    similar = Similarities(forward, backward, aligned)
    if references is None or not references.has_cohort:
        return scoring.score(similar)
    cohort = references.cohort_similarities(query, similar)
    return scoring.score(similar, cohort, references.query_statistics(other.track[:1]))


def _mean(arrays: list[np.ndarray | None]) -> np.ndarray | None:
    present = [x for x in arrays if x is not None]
    return np.mean(present, axis=0) if present else None


def _entry(values: np.ndarray | None, place: int) -> float | None:
    value = None if values is None else float(values[place])
    return None if value is None or np.isnan(value) else value


def _place(
    model: EmbeddingModel, query: Query, aligned: Alignment | None, chroma: np.ndarray | None
) -> Place:
    """Return where two recordings match: by their frames, else by Qmax of their chroma."""
    if aligned is None or model.card.frame_s is None:
        if chroma is None:
            return Place()
        span_a, span_b, semitones = qmax.matching_spans(
            qmax.fold_frames(query.chroma), qmax.fold_frames(chroma)
        )
        return Place(span_a, span_b, (-semitones + 5) % 12 - 5, _tempo_ratio(span_a, span_b))
    length_s, hop_s = model.card.frame_s
    ends = (
        query.duration_s,
        None if chroma is None else chroma.shape[1] / parameters("chroma").frames_per_second,
    )
    spans = []
    for (first, last), end in zip((aligned.span_a, aligned.span_b), ends, strict=True):
        stop = last * hop_s + length_s
        spans.append((first * hop_s, stop if end is None else min(stop, end)))
    return Place(spans[0], spans[1], aligned.transposition, _tempo_ratio(*spans))


def _tempo_ratio(span_query: Span, span_reference: Span) -> float | None:
    lengths = [end - start for start, end in (span_query, span_reference)]
    return round(lengths[0] / lengths[1], 3) if min(lengths) >= MIN_TEMPO_SPAN_S else None


def clock(span: Span | None) -> str:
    """Return a span [s] as minutes and seconds.

    Examples
    --------
    >>> clock((0.0, 61.5)), clock(None)
    ('0:00 to 1:01', '-')
    """
    if span is None:
        return "-"
    return " to ".join(f"{int(s) // 60}:{int(s) % 60:02d}" for s in span)


def verdict(best: Match) -> str:
    """Return one sentence on whether the best match is a cover."""
    name = best.title or best.recording_id
    if best.probability is None:
        return f'nearest is "{name}"; no probability without works to calibrate on'
    if best.probability >= EVEN:
        return f'a cover of "{name}" (probability {best.probability:.0%})'
    return f'no cover found; the nearest, "{name}", has probability {best.probability:.0%}'
