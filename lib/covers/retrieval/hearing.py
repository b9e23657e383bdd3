"""What a network tells of a recording beyond one embedding: at other tempi, of stretches, window by window.

Tables hold embeddings of wholes (`covers.retrieval.embed`); an evaluation compares recordings by all of this, of
a covernet, unless the model's card says otherwise (`segment_s`, `frame_s`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, StringType, StructField, StructType
from safetensors.numpy import load, save

from covers.audio import quantize
from covers.models.networks import CoverNet
from covers.models.registry import Network
from covers.retrieval import embed

_ROWS = StructType([StructField("recording_id", StringType()), StructField("heard", BinaryType())])


@dataclass(frozen=True)
class Heard:
    """What a network tells of one recording; every row of d numbers has unit norm."""

    wholes: np.ndarray  # (k, d), at k tempo_factors, its own first
    stretches: tuple[np.ndarray, ...] = ()  # (m, d), at each tempo
    windows: np.ndarray | None = None  # (t, d) in time, at its own tempo, in the key of wholes[0]

    def to_bytes(self) -> bytes:
        """Return this as safetensors, the windows in float16: they are most of it."""
        told = {"wholes": self.wholes} | {f"stretches{i}": x for i, x in enumerate(self.stretches)}
        if self.windows is not None:
            told["windows"] = self.windows.astype(np.float16)
        return save(told)

    @staticmethod
    def from_bytes(data: bytes) -> Heard:
        """Return what `to_bytes` was told."""
        told = load(data)
        wholes, windows = told.pop("wholes"), told.pop("windows", None)
        return Heard(wholes, tuple(told[f"stretches{i}"] for i in range(len(told))), windows)


@torch.inference_mode()
def hear(network: Network, tensor: np.ndarray, frames_per_second: float) -> Heard:
    """Return what a network tells of a recording (n_bins, T): as much as its card asks for."""
    net, cuts_s = network.net, [network.segment_s, network.frame_s]
    if not (isinstance(net, CoverNet) and any(cuts_s)):
        crop_frames = embed.crop_frames_of(network.config, frames_per_second)
        return Heard(embed.at_tempi(net, tensor, network.tempo_factors, crop_frames=crop_frames))
    wholes, stretches, windows = [], [], None
    for tempo in network.tempo_factors:
        x = torch.from_numpy(embed.long_enough(embed.at_tempo(tensor, tempo)))
        asked = cuts_s if tempo == network.tempo_factors[0] else cuts_s[:1]
        cuts = [_in_frames(cut, frames_per_second) for cut in asked if cut]
        whole, *passages = (found.numpy() for found in net.passages(x, cuts))
        wholes.append(whole[0])
        if network.segment_s:
            stretches.append(passages.pop(0))
        if passages:
            windows = passages[0]
    return Heard(np.stack(wholes), tuple(stretches), windows)


def hear_query(network: Network, tensor: np.ndarray, frames_per_second: float) -> Heard:
    """Return what a search asks with: the whole at all tempo_factors, and the windows."""
    return hear(network.only(segment_s=None), tensor, frames_per_second)


def hear_windows(network: Network, tensor: np.ndarray, frames_per_second: float) -> Heard:
    """Return what a search compares a candidate by: the whole and the windows at its own tempo."""
    return hear(network.only(segment_s=None, tempo_factors=[1.0]), tensor, frames_per_second)


def _in_frames(cut_s: tuple[float, float], frames_per_second: float) -> tuple[int, int]:
    length_s, hop_s = cut_s
    return round(length_s * frames_per_second), round(hop_s * frames_per_second)


def hear_rows(spectrograms: DataFrame, network: Network) -> DataFrame:
    """Return (recording_id, heard) of rows of `spectrograms` of the network's representation.

    ``heard`` is `Heard.to_bytes`.
    """
    shipped = spectrograms.sparkSession.sparkContext.broadcast(network)
    arrow = to_arrow_schema(_ROWS)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for r in batch.to_pylist():
                heard = hear(shipped.value, quantize.tensor_of_row(r), r["frames_per_second"])
                row = {"recording_id": r["recording_id"], "heard": heard.to_bytes()}
                yield pa.RecordBatch.from_pylist([row], schema=arrow)

    return spectrograms.mapInArrow(work, _ROWS)
