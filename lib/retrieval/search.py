"""Search of audio files among the embeddings of the lake: the nearest, how sure, and where they match.

*Conventions.* Distance is that of `lib.training.distances`: 0 to 2. In a lake of 30 recordings and more
candidates are ordered by its deviation from what is usual there (`lib.retrieval.cohort`). The probability
of being a cover is `lib.retrieval.calibration`'s: the model's card has it, else it is fitted on the lake's
validation works; with several candidates, one cover or none is expected among them. Without either there is
the share of random pairs of the lake that are nearer. Where two match best comes from alignment of their
chroma (`lib.retrieval.qmax`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.audio import sandbox, tensors
from lib.audio.representations import parameters
from lib.audio.spectrograms import of_one_kind, tensor_of
from lib.io import files
from lib.io.errors import InputError
from lib.io.lake import Lake
from lib.retrieval import calibration, cohort, embed, matrices, nearest, qmax, registry
from lib.retrieval.calibration import EVEN, Calibration
from lib.retrieval.cohort import Usual
from lib.retrieval.registry import Network
from lib.training.loader import read_rows
from schemas.embeddings import EMBEDDINGS
from schemas.recordings import RECORDINGS
from schemas.spectrograms import SPECTROGRAMS

_MIN_WORKS = 5
_ORDERED, _ORDERED_BY_INDEX = 100, 20  # nearest that are put in order by their deviations


def tensor_of_file(path: str, representation: str) -> np.ndarray:
    """Return the tensor of one audio file, whole.

    Raises
    ------
    InputError
        If the file is missing or cannot be decoded.
    """
    with files.local(path) as local:
        if not Path(local).is_file():
            raise InputError(f"audio must be a file, got none there: {path!r}; check the path")
        try:
            p = parameters(representation)
            return sandbox.call(tensor_of, local, p, limits=sandbox.Limits())
        except sandbox.Refused as error:
            raise InputError(
                f"audio must be WAV, FLAC, OGG or MP3, got {path!r} ({error.reason}: {error.detail})"
            ) from error


def heard(path: str, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings of one audio file at the network's tempi, (k, d), and its chroma."""
    kind = network.config["representation"]
    tensor = tensor_of_file(path, kind)
    chroma = tensor if kind == "chroma" else tensor_of_file(path, "chroma")
    return embeddings_of(tensor, network), chroma


def embeddings_of(tensor: np.ndarray, network: Network) -> np.ndarray:
    """Return the embeddings of a query, a tensor of the network's representation: (k, d)."""
    rate = parameters(network.config["representation"]).frames_per_second
    crop_frames = embed.crop_frames_of(network.config, rate)
    return embed.at_tempi(network.net, tensor, network.tempi, crop_frames=crop_frames)


@dataclass(frozen=True)
class Known:
    """What the lake knows of the recordings that a model has embedded: rows and vectors in one order."""

    network: Network
    ids: np.ndarray  # (n,)
    vectors: np.ndarray  # (n, d)
    about: dict[str, tuple[str, ...]]  # by id: title, artist, work, split

    @property
    def corrects(self) -> bool:
        """Whether there are enough recordings to tell what distances are usual."""
        return len(self.ids) >= cohort.LEAST

    @cached_property
    def sample(self) -> np.ndarray:
        """Rows of recordings drawn at random: the cohort."""
        return np.random.default_rng(0).permutation(len(self.ids))[: cohort.MOST]

    def usual(self, queries: Sequence[np.ndarray]) -> Usual:
        """Return what distances to the cohort are usual for each query (k, d)."""
        vectors, n_rolls = self.vectors[self.sample], self.network.n_rolls
        to_cohort = [nearest.distances_to(x, vectors, n_rolls) for x in queries]
        return cohort.usual(cohort.without_copies(np.stack(to_cohort)))

    def apart(self, rows: np.ndarray) -> np.ndarray:
        """Return how far these recordings are from one another, (n, n): deviations, else distances."""
        d = matrices.of_embeddings(self.vectors[rows], self.network.n_rolls)
        if not self.corrects:
            return d
        known = self.usual(self.vectors[rows][:, None])
        return cohort.deviations(d, known, known)

    @cached_property
    def others(self) -> np.ndarray:
        """How far random pairs of the sample are apart: what "not a cover" looks like."""
        return self.apart(self.sample)[np.triu_indices(len(self.sample), 1)]

    @cached_property
    def calibration(self) -> Calibration | None:
        """What turns `apart` into probabilities, or None where nothing is known to fit it on."""
        if said := calibration.of_card(self.network.config, deviations=self.corrects):
            return said
        works = np.array([self.about[i][2] for i in self.ids])
        held = [self.about[i][3] == "validation" and self.about[i][2] != "" for i in self.ids]
        rows = np.flatnonzero(held)[: cohort.MOST]
        _, counts = np.unique(works[rows], return_counts=True)
        if (counts > 1).sum() >= _MIN_WORKS:
            return calibration.fit(self.apart(rows), works[rows])
        return None

    @cached_property
    def keys(self) -> np.ndarray:
        """What an index knows the embeddings by."""
        return nearest.keys_of(self.ids, self.vectors)

    def nearest(
        self, query: np.ndarray, k: int, index: nearest.Index | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (rows, distances, how far apart) of the best k, best first: exact, or by the index."""
        n_rolls = self.network.n_rolls
        if index is not None:
            many = max(k, _ORDERED_BY_INDEX)
            rows, d = index.nearest(query, self.vectors, self.keys, n_rolls, many)
        else:
            to_all = nearest.distances_to(query, self.vectors, n_rolls)
            rows = np.argsort(to_all, kind="stable")[: max(k, _ORDERED)]
            d = to_all[rows]
        far = d
        if self.corrects:
            answering = self.usual(self.vectors[rows][:, None])
            far = cohort.deviations(d[None], self.usual([query]), answering)[0]
        order = np.argsort(far, kind="stable")[:k]
        return rows[order], d[order], far[order]

    def pair(self, a: np.ndarray, b: np.ndarray, distances: np.ndarray) -> float:
        """Return how far two files (k, d) are apart; ``distances``: a asking, b asking."""
        if not self.corrects:
            return float(distances.mean())
        asking, answering = self.usual([a, b]), self.usual([b[:1], a[:1]])
        return float(np.diag(cohort.deviations(np.diag(distances), asking, answering)).mean())

    def sure(self, apart: np.ndarray, n_candidates: int) -> list[dict[str, object]]:
        """Return how sure each is that is so far apart, as columns of an answer."""
        if self.calibration is None:
            return [{"random pairs nearer": f"{np.mean(self.others <= d):.2%}"} for d in apart]
        return probabilities(self.calibration, apart, n_candidates)


def probabilities(
    fitted: Calibration, distances: np.ndarray, n_candidates: int
) -> list[dict[str, object]]:
    """Return how probable a cover is at each distance, as a column of an answer."""
    p = fitted.probability(distances, calibration.prior_among(n_candidates))
    return [{"probability": round(float(x), 4)} for x in p]


def known_to(lake: Lake, network: Network) -> Known:
    """Return what the lake knows of present recordings.

    Raises
    ------
    InputError
        If the model has embedded nothing.
    """
    known = _read(lake, network)
    if not known.ids.size:
        raise InputError(
            f"embeddings must hold model {network.model_id}, got none; run embed_recordings"
        )
    return known


def _read(lake: Lake, network: Network) -> Known:
    """Read the embeddings of present recordings, straight from the tables' files."""
    names = ["recording_id", "title", "artist", "work_id", "split", "state"]
    about: dict[str, tuple[str, ...]] = {}
    for batch in read_rows(lake.snapshot(RECORDINGS), names, reader="arrow"):
        for rid, *told, state in zip(*(batch[n] for n in names), strict=True):
            if state == "present":
                about[rid] = tuple("" if x is None else x for x in told)
    ids, vectors = [], []
    columns = ["recording_id", "model_id", "segment", "vector"]
    for batch in read_rows(lake.snapshot(EMBEDDINGS), columns, reader="arrow"):
        own = (batch["model_id"] == network.model_id) & (batch["segment"] == 0)
        for rid, vector in zip(batch["recording_id"][own], batch["vector"][own], strict=True):
            if rid in about:
                ids.append(rid)
                vectors.append(vector)
    return Known(network, np.array(ids), np.array(vectors, np.float32), about)


def index_of(known: Known, lake: Lake) -> nearest.Index | None:
    """Return the index kept in the lake's files, or None where exact search will do."""
    if len(known.ids) <= nearest.EXACT_UP_TO:
        return None
    uri = f"{lake.files}/index/{known.network.model_id}.npz"
    return nearest.kept(uri, known.vectors, known.keys)


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
    stored = of_one_kind(lake.read(SPECTROGRAMS), "chroma").where("segment = 0")
    found: dict[str, object] = {"model": network.model_id, "searched": len(known.ids)}
    for path in audio:
        query, own = heard(path, network)
        rows, d, far = known.nearest(query, top, index)
        chromas = _tensors(stored, known.ids[rows].tolist())
        answers = [
            {
                "recording": rid,
                "title": known.about[rid][0],
                "artist": known.about[rid][1],
                "distance": float(apart),
            }
            | ({"deviation": float(deviation)} if known.corrects else {})
            | how_sure
            | qmax.match(own, chromas.get(rid))
            for rid, apart, deviation, how_sure in zip(
                known.ids[rows].tolist(), d, far, known.sure(far, len(known.ids)), strict=True
            )
        ]
        found[path] = answers
        found[f"answer for {path}"] = verdict(answers[0])
    return found


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
    return {r["recording_id"]: tensors.of_row(r) for r in wanted.collect()}


def compare_pair(lake: Lake, model: str, pair: Sequence[str]) -> dict[str, object]:
    """Return whether two files are the same song: distance, how sure, and where they match.

    Where the lake has embeddings of the model, their distance is compared with what is usual there.
    """
    network = registry.resolve(lake, model)
    (a, chroma_a), (b, chroma_b) = (heard(path, network) for path in pair)
    both = [nearest.distances_to(x, y[:1], network.n_rolls)[0] for x, y in ((a, b), (b, a))]
    answer: dict[str, object] = {
        "model": network.model_id,
        "first": pair[0],
        "second": pair[1],
        "distance": float(np.mean(both)),
    }
    stored = lake.exists(EMBEDDINGS) and lake.exists(RECORDINGS)
    if stored and (known := _read(lake, network)).ids.size:
        apart = known.pair(a, b, np.array(both))
        answer |= {"compared with": len(known.ids)}
        answer |= {"deviation": apart} if known.corrects else {}
        answer |= known.sure(np.array([apart]), 1)[0]
    elif said := calibration.of_card(network.config, deviations=False):
        answer |= probabilities(said, np.mean(both, keepdims=True), 1)[0]
    return answer | qmax.match(chroma_a, chroma_b)
