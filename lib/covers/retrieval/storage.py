"""Segment and frame embeddings in 8 bits, as `sequence_embeddings` stores them.

*Conventions.* Each row of an array (n, d) has a scale of its own: value = stored * scale, stored int8. The
largest error of an entry is 1/254 of the largest entry of its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from covers.retrieval.embedding import TrackEmbeddings


def quantize_rows(x: np.ndarray) -> tuple[bytes, list[float]]:
    """Return the bytes (int8, row-major) and the scales of an array (n, d)."""
    scales = np.maximum(np.abs(x).max(axis=1, initial=0.0), 1e-12).astype(np.float32) / np.float32(
        127
    )
    return np.round(x / scales[:, None]).astype(np.int8).tobytes(), scales.tolist()


def dequantize_rows(data: bytes, scales: np.ndarray, width: int) -> np.ndarray:
    """Return the array (n, width), float32, of `quantize_rows`."""
    stored = np.frombuffer(data, np.int8).reshape(-1, width)
    return stored.astype(np.float32) * np.asarray(scales, np.float32)[:, None]


def pack_sequences(embeddings: TrackEmbeddings) -> dict[str, Any]:
    """Return the columns of `sequence_embeddings` that hold embeddings; an absent level is empty."""
    width = embeddings.track.shape[1]
    empty = np.empty((0, width), np.float32)
    levels = {
        "tracks": embeddings.track,
        "segments": np.concatenate([empty, *embeddings.segments]),
        "frames": empty if embeddings.frames is None else embeddings.frames,
    }
    row: dict[str, Any] = {
        "width": width,
        "n_transpositions": embeddings.n_transpositions,
        "semitones": embeddings.semitones,
        "segment_counts": [len(x) for x in embeddings.segments],
    }
    for name, x in levels.items():
        row[name], row[f"{name}_scales"] = quantize_rows(x)
    return row


def unpack_sequences(row: Mapping[str, Any]) -> TrackEmbeddings:
    """Return the embeddings of a row of `sequence_embeddings`."""
    tracks, segments, frames = (
        dequantize_rows(row[name], row[f"{name}_scales"], int(row["width"]))
        for name in ("tracks", "segments", "frames")
    )
    counts = [int(n) for n in row["segment_counts"]]
    return TrackEmbeddings(
        tracks,
        int(row["n_transpositions"]),
        tuple(np.split(segments, np.cumsum(counts)[:-1])) if counts else (),
        frames if len(frames) else None,
        int(row["semitones"]),
    )
