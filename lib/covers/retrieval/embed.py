"""Networks over spectrograms in Spark: one model a worker process, whole recordings in.

*Conventions.* covernet and CQT-Net see a whole recording at once (their time axis is free); the
write-up's networks see 10-second crops one after the other, and the mean of their embeddings is taken. Every
embedding has unit L2 norm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from safetensors import SafetensorError
from safetensors.torch import load as deserialize

from covers.audio import quantize
from covers.audio.augmentation.tensor import stretch_time
from covers.errors import InputError
from covers.models import networks
from covers.schemas.embeddings import EMBEDDINGS

SHORTEST = 16  # frames


@lru_cache(maxsize=2)
def load(network: str, weights: bytes | None, seed: int) -> torch.nn.Module:
    """Return a network ready to embed; without weights they are random by ``seed``.

    Raises
    ------
    InputError
        If the bytes are not a safetensors file of this network's weights.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    if not weights:
        return networks.build(network).eval()
    try:
        return networks.with_weights(network, deserialize(weights)).eval()
    except (RuntimeError, SafetensorError) as error:
        raise InputError(
            f"weights must be those of {network}, got others ({str(error).splitlines()[0]})"
        ) from error


@torch.no_grad()
def embed(network: torch.nn.Module, tensor: np.ndarray, *, crop_frames: int | None) -> np.ndarray:
    """Return the embedding of one recording, flat, float32, unit norm.

    Parameters
    ----------
    tensor : np.ndarray, shape (n_bins, T), float32
    crop_frames : int or None
        Length of the pieces whose embeddings are averaged; None = the whole at once.
    """
    tensor = long_enough(tensor)
    n = tensor.shape[1]
    size = min(crop_frames or n, n)
    pieces = np.stack([tensor[:, i : i + size] for i in range(0, n - size + 1, size)])
    mean = network(torch.from_numpy(pieces)).mean(dim=0)
    return torch.nn.functional.normalize(mean, dim=0).numpy()


def long_enough(tensor: np.ndarray) -> np.ndarray:
    """Return a recording, repeated where it has fewer frames than a network needs."""
    n = tensor.shape[1]
    return tensor if n >= SHORTEST else np.tile(tensor, (1, -(-SHORTEST // n)))[:, :SHORTEST]


def at_tempi(
    network: torch.nn.Module,
    tensor: np.ndarray,
    tempo_factors: Sequence[float],
    *,
    crop_frames: int | None,
) -> np.ndarray:
    """Return the embeddings of a query heard at so many times its tempo, shape (k, d)."""
    faster = [at_tempo(tensor, tempo) for tempo in tempo_factors]
    return np.stack([embed(network, x, crop_frames=crop_frames) for x in faster])


def at_tempo(tensor: np.ndarray, tempo: float) -> np.ndarray:
    """Return a recording as it would be at so many times its tempo, in its own key."""
    return tensor if tempo == 1 else stretch_time(tensor, 1 / tempo)


def crop_frames_of(config: dict[str, Any], frames_per_second: float) -> int | None:
    """Return the crop for a model's config: None for a network that sees the whole."""
    whole = config["architecture"] in networks.WHOLE
    return None if whole else round(config["crop_s"] * frames_per_second)


def embed_rows(
    spectrograms: DataFrame, model_id: str, config: dict[str, Any], weights: bytes | None
) -> DataFrame:
    """Return rows of `embeddings`; takes rows of `spectrograms` of the model's representation."""
    network, seed = config["architecture"], int(config.get("seed", 0))
    # Broadcast: Spark refuses a second file of one name in a session, and all weights have one name.
    shipped = spectrograms.sparkSession.sparkContext.broadcast(weights)
    arrow = to_arrow_schema(EMBEDDINGS.struct_type())

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        net = load(network, shipped.value, seed)
        for batch in batches:
            rows = []
            for r in batch.to_pylist():
                crop_frames = crop_frames_of(config, r["frames_per_second"])
                vector = embed(net, quantize.tensor_of_row(r), crop_frames=crop_frames)
                rows.append(
                    {
                        "recording_id": r["recording_id"],
                        "model_id": model_id,
                        "segment": r["segment"],
                        "vector": vector.tolist(),
                        "shape": list(networks.shape_of(net)),
                        "parameters_id": r["parameters_id"],
                        "sha256": r["sha256"],
                    }
                )
            yield pa.RecordBatch.from_pylist(rows, schema=arrow)

    return spectrograms.mapInArrow(work, EMBEDDINGS.struct_type())


def not_embedded(spectrograms: DataFrame, known: DataFrame, model_id: str) -> DataFrame:
    """Return the spectrograms that have no embedding of this model and this content."""
    done = known.where(F.col("model_id") == model_id).select(
        "recording_id", "segment", "parameters_id", "sha256"
    )
    keys = ["recording_id", "segment", "parameters_id", "sha256"]
    return spectrograms.join(done, keys, "left_anti")
