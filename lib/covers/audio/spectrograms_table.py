"""Recordings to rows of `spectrograms`, file by file, each in a limited child process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.audio import decode, features, quantize, sandbox
from covers.audio.features import Parameters
from covers.errors import InputError
from covers.io import files
from covers.io.model_store import model_id_of
from covers.io.rows import map_rows
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.spectrograms import SPECTROGRAMS

_OUTCOME = T.StructType(
    [T.StructField(f.name, f.dataType, True) for f in SPECTROGRAMS.struct_type()]
    + [T.StructField(n, T.StringType(), True) for n in ("uri", "reason", "detail")]
)


def parameters_id(p: Parameters) -> str:
    """Return the hash of all parameters."""
    return model_id_of(p.representation, p.to_dict())


def chosen(kinds: set[str], representation: str) -> str:
    """Return the parameters to use of those that a table holds: the only ones, else this code's.

    Raises
    ------
    InputError
        If there are none, or several and this code's for whole recordings are not among them.
    """
    default = parameters_id(features.parameters(representation))
    if len(kinds) == 1 or default in kinds:
        return default if default in kinds else next(iter(kinds))
    raise InputError(
        f"spectrograms must hold {representation} under one set of parameters or under {default}, "
        f"got {sorted(kinds)}; run decode_audio --representation {representation}"
    )


def of_one_kind(spectrograms: DataFrame, representation: str) -> DataFrame:
    """Return the rows of a representation under the parameters that `chosen` names; none of none."""
    rows = spectrograms.where(F.col("representation") == representation)
    kinds = {r[0] for r in rows.select("parameters_id").distinct().collect()}
    return rows.where(F.col("parameters_id") == chosen(kinds, representation)) if kinds else rows


def tensor_of(path: str, p: Parameters) -> np.ndarray:
    """Decode one file to its tensor, shape (n_bins, T), float32."""
    sound = decode.blocks(path, p.sample_rate, start_s=p.start_s, duration_s=p.duration_s)
    return features.compute(sound, p)


def segments(tensor: np.ndarray, p: Parameters) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (start [s], piece); without segment_s the whole is the one piece."""
    n = tensor.shape[1]
    step = n if p.segment_s is None else max(1, round(p.segment_s * p.frames_per_second))
    for first in range(0, n, step):
        piece = tensor[:, first : first + step]
        if first == 0 or piece.shape[1] >= step // 2:
            yield p.start_s + first / p.frames_per_second, piece


def packed(tensor: np.ndarray, p: Parameters) -> list[dict]:
    """Return the segments of a tensor as all columns of `spectrograms` that it decides."""
    about = {
        "representation": p.representation,
        "parameters_id": parameters_id(p),
        "parameters": json.dumps(p.to_dict(), sort_keys=True),
        "frames_per_second": p.frames_per_second,
        "dtype": "uint8",
    }
    rows = []
    for number, (start_s, piece) in enumerate(segments(tensor, p)):
        data, scale, offset = quantize.pack(piece, levels=p.levels)
        rows.append(
            about
            | {
                "segment": number,
                "start_s": start_s,
                "duration_s": piece.shape[1] / p.frames_per_second,
                "shape": list(piece.shape),
                "scale": scale,
                "offset": offset,
                "tensor": data,
            }
        )
    return rows


def decoded(path: str, p: Parameters) -> list[dict]:
    """Decode one file to its segments, as `packed` returns them."""
    return packed(tensor_of(path, p), p)


def rows_of(
    recording_id: str, uri: str, sha256: str, p: Parameters, limits: sandbox.Limits
) -> list[dict]:
    """Return the spectrogram rows of one file, or one row with the reason why there is none."""
    about: dict = {"recording_id": recording_id, "uri": uri}
    try:
        with files.local(uri) as path:
            if not Path(path).exists():
                raise sandbox.Refused("missing", "the file is gone")
            if files.sha256_of(path) != sha256:
                raise sandbox.Refused("changed", "not the content that ingest_recordings saw")
            pieces = sandbox.call(decoded, path, p, limits=limits)
    except sandbox.Refused as error:
        return [about | {"reason": error.reason, "detail": error.detail}]
    except OSError as error:
        return [about | {"reason": "unreadable", "detail": str(error)}]
    return [about | {"sha256": sha256} | piece for piece in pieces]


def decode_recordings(recordings: DataFrame, p: Parameters, limits: sandbox.Limits) -> DataFrame:
    """Return one outcome row a segment; takes recording_id, uri, sha256.

    Rows with a `reason` are failures; `good` and `bad` tell them apart.
    """
    return map_rows(
        recordings.select("recording_id", "uri", "sha256"),
        lambda r: rows_of(r["recording_id"], r["uri"], r["sha256"], p, limits),
        _OUTCOME,
        spread_by="recording_id",
    )


def good(outcomes: DataFrame) -> DataFrame:
    """Return the rows that are spectrograms."""
    return outcomes.where("reason IS NULL").select(*SPECTROGRAMS.column_names)


def bad(outcomes: DataFrame, job: str) -> DataFrame:
    """Return the failures as `quarantine` rows; takes uri, reason, detail."""
    return (
        outcomes.where("reason IS NOT NULL")
        .select(
            F.sha2(F.concat_ws("|", "uri", "reason"), 256).alias("quarantine_id"),
            F.lit("recording").alias("what"),
            F.col("uri").alias("location"),
            "reason",
            F.coalesce("detail", F.lit("")).alias("detail"),
            F.lit(None).cast("string").alias("raw"),
            F.lit(job).alias("job"),
        )
        .select(*QUARANTINE.column_names)
        .dropDuplicates(["quarantine_id"])  # a file may be a recording of several data sets
    )


def not_decoded(recordings: DataFrame, known: DataFrame, p: Parameters) -> DataFrame:
    """Return the recordings without a spectrogram of these parameters and this content."""
    same = known.where(F.col("parameters_id") == parameters_id(p)).select("recording_id", "sha256")
    return recordings.join(same.distinct(), ["recording_id", "sha256"], "left_anti")


def decode_summary(outcomes: DataFrame) -> dict[str, object]:
    """Return counts and sizes of what was decoded."""
    row = outcomes.agg(
        F.countDistinct(F.when(F.col("reason").isNull(), F.col("recording_id"))).alias("n"),
        F.coalesce(F.sum("duration_s"), F.lit(0.0)).alias("s"),
        F.coalesce(F.sum(F.length("tensor")), F.lit(0)).alias("b"),
    ).collect()[0]
    hours = row["s"] / 3600
    return {
        "decoded now": row["n"],
        "hours of audio": hours,
        "MB per hour": row["b"] / 1e6 / hours if hours else 0.0,
    }
