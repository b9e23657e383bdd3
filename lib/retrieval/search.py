"""Exact search of audio files among the embeddings of the lake.

*Conventions.* Distance is that of `lib.training.distances`: 0 to 2. How likely a distance is a
cover depends on the model; each answer says which share of random pairs of the lake is nearer
(the false-alarm rate of calling everything up to this distance a cover).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pyspark.sql import functions as F

from lib.audio import sandbox
from lib.audio.representations import Parameters, parameters
from lib.audio.spectrograms import tensor_of
from lib.io import files
from lib.io.errors import InputError
from lib.io.lake import Lake
from lib.retrieval import embed, registry
from lib.retrieval.registry import Network
from lib.training.distances import distance, similarity_matrix
from schemas.embeddings import EMBEDDINGS
from schemas.recordings import RECORDINGS

_SAMPLE = 500


def embed_file(path: str, network: Network) -> np.ndarray:
    """Return the embedding of one audio file.

    Raises
    ------
    InputError
        If the file is missing or cannot be decoded.
    """
    p: Parameters = parameters(network.config["representation"])
    with files.local(path) as local:
        if not Path(local).is_file():
            raise InputError(f"audio must be a file, got none there: {path!r}; check the path")
        try:
            tensor = sandbox.call(tensor_of, local, p, limits=sandbox.Limits())
        except sandbox.Refused as error:
            raise InputError(
                f"audio must be WAV, FLAC, OGG or MP3, got {path!r} ({error.reason}: {error.detail})"
            ) from error
    net = embed.load(network.config["network"], network.weights, int(network.config.get("seed", 0)))
    return embed.embed(
        net, tensor, crop_frames=embed.crop_frames_of(network.config, p.frames_per_second)
    )


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
    found: dict[str, object] = {"model": network.model_id, "searched": len(rows)}
    for path in audio:
        d = distances_to(embed_file(path, network), vectors, network.n_rolls)
        found[path] = [
            {
                "recording": rows[i]["recording_id"],
                "title": rows[i]["title"] or "",
                "artist": rows[i]["artist"] or "",
                "distance": float(d[i]),
                "random pairs nearer": f"{np.mean(others <= d[i]):.2%}",
            }
            for i in np.argsort(d)[:top]
        ]
    return found


def random_distances(vectors: np.ndarray, n_rolls: int) -> np.ndarray:
    """Return distances of random pairs of a sample: what "not a cover" looks like."""
    chosen = np.random.default_rng(0).permutation(len(vectors))[:_SAMPLE]
    x = torch.from_numpy(vectors[chosen])
    d = distance(similarity_matrix(x, x, n_rolls)).numpy()
    return d[np.triu_indices(len(chosen), 1)]


def compare_pair(lake: Lake, model: str, pair: Sequence[str]) -> dict[str, object]:
    """Return the distance of two files, and how rare it is among the lake's embeddings."""
    network = registry.resolve(lake, model)
    a, b = (embed_file(path, network) for path in pair)
    apart = float(distances_to(a, b[None], network.n_rolls)[0])
    answer: dict[str, object] = {
        "model": network.model_id,
        "first": pair[0],
        "second": pair[1],
        "distance": apart,
    }
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
