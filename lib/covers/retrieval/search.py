"""Search of audio files among the embeddings of the lake: the nearest, how sure, and where they match.

*Conventions.* Distance is that of `covers.models.similarity`: 0 to 2. In a lake of 30 recordings and more the
nearest are ordered by its deviation from what is usual there (`covers.retrieval.score_norm`). The best ten, or as
many as are asked for, are aligned window by window where the model is a covernet whose card does not say
otherwise (`frame_s`) and the lake has their spectrograms. The probability of being a cover, by all of
this, is `covers.retrieval.calibration`'s: the model's card has it, else it is fitted on the lake's validation
works, then by deviation or distance alone. With several candidates, one cover or none is expected among
them. Without either there is the share of random pairs of the lake that are nearer. Where two match best
comes from that alignment, else from one of their chroma (`covers.retrieval.baselines.qmax`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.audio import quantize
from covers.audio.extract import decode_tensor
from covers.audio.features import parameters
from covers.audio.spectrograms_table import select_parameters
from covers.io.lake import Lake
from covers.models import registry
from covers.models.registry import Network
from covers.retrieval import alignment, paths
from covers.retrieval import index as nearest
from covers.retrieval.baselines import qmax
from covers.retrieval.calibration import EVEN
from covers.retrieval.hearing import Heard, hear_query, hear_windows
from covers.retrieval.reference_set import Known, index_of, known_to, read
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS

_ALIGNED = 10  # best of these that are aligned
_RATE = parameters("chroma").frames_per_second


@dataclass(frozen=True)
class Query:
    """What a network tells of an audio file, and its chroma."""

    heard: Heard
    chroma: np.ndarray


def query_of(path: str, network: Network) -> Query:
    """Return what a network tells of one audio file."""
    kind = network.config["representation"]
    tensor = decode_tensor(path, kind)
    chroma = tensor if kind == "chroma" else decode_tensor(path, "chroma")
    return Query(hear_query(network, tensor, parameters(kind).frames_per_second), chroma)


def search(lake: Lake, model: str, audio: Sequence[str], *, top: int) -> dict[str, object]:
    """Return the nearest recordings of each file, and whether one of them is a cover.

    Raises
    ------
    InputError
        If a file cannot be read, or the model has embedded nothing.
    """
    network = registry.resolve(lake, model)
    known = known_to(lake, network)
    index = index_of(known, lake)
    stored = select_parameters(lake.read(SPECTROGRAMS), "chroma").where("segment = 0")
    found: dict[str, object] = {"model": network.model_id, "searched": len(known.ids)}
    for path in audio:
        answers = _answers(known, query_of(path, network), top, index, stored)
        found[path] = answers
        found[f"answer for {path}"] = verdict(answers[0])
    return found


def _answers(
    known: Known, query: Query, top: int, index: nearest.Index | None, stored: DataFrame
) -> list[dict]:
    """Return the best candidates for a query, best first; ``stored``: the lake's chroma."""
    many = max(top, _ALIGNED) if known.network.frame_s else top
    rows, distances, apart = known.nearest(query.heard.wholes, many, index)
    ids = known.ids[rows].tolist()
    chromas = _tensors(stored, ids)
    matched = matches(query, [chromas.get(rid) for rid in ids], known.network)
    scores = np.array([m.score for m in matched])
    odds = known.log_odds(apart, scores)
    order = np.argsort(apart if odds is None else -odds, kind="stable")[:top]
    sure = known.sure(apart, scores, len(known.ids))
    return [
        {
            "recording": ids[i],
            "title": known.about[ids[i]][0],
            "artist": known.about[ids[i]][1],
            "distance": float(distances[i]),
        }
        | ({"s_norm": float(apart[i])} if known.corrects else {})
        | sure[i]
        | matched[i].where
        for i in order
    ]


def verdict(best: dict) -> str:
    """Return in words whether the best candidate is a cover.

    Examples
    --------
    >>> verdict({"title": "Yesterday", "recording": "r1", "distance": 0.4, "probability": 0.93})
    'a cover of "Yesterday" (93% sure)'
    >>> verdict({"title": "Yesterday", "recording": "r1", "distance": 1.2, "probability": 0.02})
    'no cover found; the nearest, "Yesterday", is one with 2%'
    """
    name = best["title"] or best["recording"]
    if "probability" not in best:
        return f'nearest is "{name}"; how sure cannot be said without works to calibrate on'
    p = best["probability"]
    if p >= EVEN:
        return f'a cover of "{name}" ({p:.0%} sure)'
    return f'no cover found; the nearest, "{name}", is one with {p:.0%}'


def _tensors(stored: DataFrame, recording_ids: list[str]) -> dict[str, np.ndarray]:
    """Return the tensor of each of these recordings that has one."""
    wanted = stored.where(F.col("recording_id").isin(recording_ids))
    return {r["recording_id"]: quantize.tensor_of_row(r) for r in wanted.collect()}


@dataclass(frozen=True)
class Match:
    """The score of an alignment, NaN where there is none, and where two recordings match best."""

    score: float
    where: dict[str, str]


def matches(query: Query, others: Sequence[np.ndarray | None], network: Network) -> list[Match]:
    """Align a query with recordings by their chroma (36, T), None where it is not known; on all cores."""
    return Parallel(n_jobs=-1, prefer="threads")(delayed(_match)(query, x, network) for x in others)


def _match(query: Query, other: np.ndarray | None, network: Network) -> Match:
    if network.frame_s is None or other is None:
        return Match(float("nan"), qmax.match(query.chroma, other))
    heard = hear_windows(network, other, _RATE)
    return aligned(query, Query(heard, other), network.n_transpositions, network.frame_s)


def aligned(a: Query, b: Query, n_transpositions: int, segment_s: tuple[float, float]) -> Match:
    """Align two recordings that were heard in windows of this length and hop [s]."""
    length_s, hop_s = segment_s
    found = alignment.of_pair(a.heard, b.heard, n_transpositions)
    here, there = (
        (first * hop_s, min(last * hop_s + length_s, of.chroma.shape[1] / _RATE))
        for (first, last), of in ((found.here, a), (found.there, b))
    )
    return Match(found.score, paths.match(here, there))


def compare_pair(lake: Lake, model: str, pair: Sequence[str]) -> dict[str, object]:
    """Return whether two files are the same song: distance, how sure, and where they match.

    Where the lake has embeddings of the model, their distance is compared with what is usual there.
    """
    network = registry.resolve(lake, model)
    a, b = (query_of(path, network) for path in pair)
    x, y = a.heard.wholes, b.heard.wholes
    both = np.array(
        [nearest.distances_to(p, q[:1], network.n_transpositions)[0] for p, q in ((x, y), (y, x))]
    )
    stored = lake.exists(EMBEDDINGS) and lake.exists(RECORDINGS)
    known = read(lake, network) if stored else Known(network, np.array([]), np.empty((0, 1)), {})
    apart = known.pair(x, y, both)
    if network.frame_s:
        match = aligned(a, b, network.n_transpositions, network.frame_s)
    else:
        match = Match(float("nan"), qmax.match(a.chroma, b.chroma))
    answer: dict[str, object] = {
        "model": network.model_id,
        "first": pair[0],
        "second": pair[1],
        "distance": float(both.mean()),
    }
    if known.corrects:
        answer |= {"compared with": len(known.ids), "s_norm": apart}
    (sure,) = known.sure(np.array([apart]), np.array([match.score]), 1)
    return answer | sure | match.where
