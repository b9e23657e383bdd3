"""Exact search of audio files among the embeddings of the lake.

*Conventions.* Distance is that of `lib.training.distances`: 0 to 2. How likely a distance is a
cover depends on the model; each answer says which share of random pairs of the lake is nearer
(the false-alarm rate of calling everything up to this distance a cover), and where the two match best
by alignment of their chroma (`lib.retrieval.qmax`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.audio import sandbox, tensors
from lib.audio.representations import parameters
from lib.audio.spectrograms import of_one_kind, tensor_of
from lib.io import files
from lib.io.errors import InputError
from lib.io.lake import Lake
from lib.retrieval import embed, qmax, registry
from lib.retrieval.registry import Network
from lib.training.distances import distance, similarity_matrix
from schemas.embeddings import EMBEDDINGS
from schemas.recordings import RECORDINGS
from schemas.spectrograms import SPECTROGRAMS

_SAMPLE = 500


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
    """Return the embedding of one audio file, and its chroma."""
    kind = network.config["representation"]
    tensor = tensor_of_file(path, kind)
    chroma = tensor if kind == "chroma" else tensor_of_file(path, "chroma")
    return embedding_of(tensor, network), chroma


def embedding_of(tensor: np.ndarray, network: Network) -> np.ndarray:
    """Return the embedding of a tensor of the network's representation."""
    net = embed.load(network.config["network"], network.weights, int(network.config.get("seed", 0)))
    rate = parameters(network.config["representation"]).frames_per_second
    return embed.embed(net, tensor, crop_frames=embed.crop_frames_of(network.config, rate))


def distances_to(query: np.ndarray, vectors: np.ndarray, n_rolls: int) -> np.ndarray:
    """Return (m,) distances of one embedding (d,) to many (m, d)."""
    a, b = (
        torch.from_numpy(query[None]),
        torch.from_numpy(np.ascontiguousarray(vectors, np.float32)),
    )
    return distance(similarity_matrix(a, b, n_rolls))[0].numpy()


def search(lake: Lake, model: str, audio: Sequence[str], *, top: int) -> dict[str, object]:
    """Return the nearest recordings of each file.

    Raises
    ------
    InputError
        If a file cannot be read, or the model has embedded nothing.
    """
    network = registry.resolve(lake, model)
    known = lake.read(EMBEDDINGS).where(
        (F.col("model_id") == network.model_id) & (F.col("segment") == 0)
    )
    named = known.join(lake.read(RECORDINGS).where("state = 'present'"), "recording_id")
    rows = named.select("recording_id", "title", "artist", "work_id", "vector").collect()
    if not rows:
        raise InputError(
            f"embeddings must hold model {network.model_id}, got none; run embed_recordings"
        )
    vectors = np.array([r["vector"] for r in rows], np.float32)
    others = random_distances(vectors, network.n_rolls)
    stored = of_one_kind(lake.read(SPECTROGRAMS), "chroma").where("segment = 0")
    found: dict[str, object] = {"model": network.model_id, "searched": len(rows)}
    for path in audio:
        query, own = heard(path, network)
        d = distances_to(query, vectors, network.n_rolls)
        nearest = np.argsort(d)[:top]
        chromas = _tensors(stored, [rows[i]["recording_id"] for i in nearest])
        found[path] = [
            {
                "recording": rows[i]["recording_id"],
                "title": rows[i]["title"] or "",
                "artist": rows[i]["artist"] or "",
                "distance": float(d[i]),
                "random pairs nearer": f"{np.mean(others <= d[i]):.2%}",
            }
            | match(own, chromas.get(rows[i]["recording_id"]))
            for i in nearest
        ]
    return found


def _tensors(stored: DataFrame, recording_ids: list[str]) -> dict[str, np.ndarray]:
    """Return the tensor of each of these recordings that has one."""
    wanted = stored.where(F.col("recording_id").isin(recording_ids))
    return {r["recording_id"]: tensors.of_row(r) for r in wanted.collect()}


def match(own: np.ndarray, other: np.ndarray | None) -> dict[str, str]:
    """Return where two chromas match best, as minutes and seconds in each of them."""
    if other is None:
        return {"match here": "", "match there": ""}
    here, there, _ = qmax.aligned(qmax.features(own), qmax.features(other))
    return {"match here": _clock(here), "match there": _clock(there)}


def _clock(stretch: tuple[float, float]) -> str:
    return " to ".join(f"{int(s) // 60}:{int(s) % 60:02d}" for s in stretch)


def random_distances(vectors: np.ndarray, n_rolls: int) -> np.ndarray:
    """Return distances of random pairs of a sample: what "not a cover" looks like."""
    chosen = np.random.default_rng(0).permutation(len(vectors))[:_SAMPLE]
    x = torch.from_numpy(vectors[chosen])
    d = distance(similarity_matrix(x, x, n_rolls)).numpy()
    return d[np.triu_indices(len(chosen), 1)]


def compare_pair(lake: Lake, model: str, pair: Sequence[str]) -> dict[str, object]:
    """Return the distance of two files, how rare it is in the lake, and where they match."""
    network = registry.resolve(lake, model)
    (a, chroma_a), (b, chroma_b) = (heard(path, network) for path in pair)
    apart = float(distances_to(a, b[None], network.n_rolls)[0])
    answer: dict[str, object] = {
        "model": network.model_id,
        "first": pair[0],
        "second": pair[1],
        "distance": apart,
    } | match(chroma_a, chroma_b)
    if lake.exists(EMBEDDINGS):
        known = (
            lake.read(EMBEDDINGS)
            .where(F.col("model_id") == network.model_id)
            .select("vector")
            .limit(_SAMPLE)
        )
        vectors = np.array([r[0] for r in known.collect()], np.float32)
        if len(vectors) > 1:
            answer["random pairs nearer"] = (
                f"{np.mean(random_distances(vectors, network.n_rolls) <= apart):.2%}"
            )
    return answer
