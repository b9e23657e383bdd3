"""Recordings to rows of `spectrograms` with Spark, file by file, each in a limited child process."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.audio import extract, sandbox
from covers.audio.features import Parameters
from covers.io.spark import map_rows
from covers.schemas.spectrograms import SPECTROGRAMS

_OUTCOME = T.StructType(
    [T.StructField(f.name, f.dataType, True) for f in SPECTROGRAMS.struct_type()]
    + [T.StructField(n, T.StringType(), True) for n in ("uri", "reason", "detail")]
)


def select_parameters(spectrograms: DataFrame, representation: str) -> DataFrame:
    """Return the rows of a representation under the parameters of `extract.choose_parameters`.

    Returns an empty DataFrame if the representation has no row.

    Raises
    ------
    InputError
        As `extract.choose_parameters` does.
    """
    rows = spectrograms.where(F.col("representation") == representation)
    ids = {r[0] for r in rows.select("parameters_id").distinct().collect()}
    if not ids:
        return rows
    return rows.where(F.col("parameters_id") == extract.choose_parameters(ids, representation))


def decode_recordings(recordings: DataFrame, p: Parameters, limits: sandbox.Limits) -> DataFrame:
    """Return one outcome row a recording; takes recording_id, uri, sha256.

    Rows with a `reason` are failures: `valid_rows` drops them, `quarantine_rows` keeps them.
    """
    return map_rows(
        recordings.select("recording_id", "uri", "sha256"),
        lambda r: [extract.extract_outcome(r["recording_id"], r["uri"], r["sha256"], p, limits)],
        _OUTCOME,
        partition_by="recording_id",
    )


def valid_rows(outcomes: DataFrame) -> DataFrame:
    """Return the outcomes that are spectrograms, with the columns of `SPECTROGRAMS`."""
    return outcomes.where("reason IS NULL").select(*SPECTROGRAMS.column_names)


def select_undecoded(recordings: DataFrame, spectrograms: DataFrame, p: Parameters) -> DataFrame:
    """Return the recordings without a spectrogram of these parameters and this content."""
    same = spectrograms.where(F.col("parameters_id") == extract.parameters_id(p))
    done = same.select("recording_id", "sha256").distinct()
    return recordings.join(done, ["recording_id", "sha256"], "left_anti")


def decode_summary(outcomes: DataFrame) -> dict[str, object]:
    """Return how many recordings were decoded, and their duration and stored size."""
    row = outcomes.agg(
        F.countDistinct(F.when(F.col("reason").isNull(), F.col("recording_id"))).alias("n"),
        F.coalesce(F.sum("duration_s"), F.lit(0.0)).alias("s"),
        F.coalesce(F.sum(F.length("tensor")), F.lit(0)).alias("b"),
    ).collect()[0]
    hours = row["s"] / 3600
    return {
        "decoded_now": row["n"],
        "hours_of_audio": hours,
        "mb_per_hour": row["b"] / 1e6 / hours if hours else 0.0,
    }
