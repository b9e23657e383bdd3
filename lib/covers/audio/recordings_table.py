"""Listed audio files to rows of `recordings` with Spark, each opened in a limited child process."""

from __future__ import annotations

from dataclasses import asdict

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.audio import manifest, sandbox
from covers.audio.manifest import ListedFile
from covers.io.lake import Lake
from covers.io.spark import checkpoint_to_disk, map_rows
from covers.schemas.recordings import RECORDINGS

_LISTED = T.StructType(
    [T.StructField(n, T.StringType()) for n in (*manifest.COLUMNS, "data_set", "uri", "root")]
)
_OUTCOME = T.StructType(
    [T.StructField(f.name, f.dataType, True) for f in RECORDINGS.struct_type()]
    + [T.StructField(n, T.StringType(), True) for n in ("reason", "detail")]
)


def listed_rows(spark: SparkSession, listed: list[ListedFile]) -> DataFrame:
    """Return listed files as a DataFrame, a column a field of `ListedFile`."""
    names = _LISTED.fieldNames()
    return spark.createDataFrame([tuple(asdict(x)[n] for n in names) for x in listed], _LISTED)


def inspect_files(listed: DataFrame, *, split: str, seed: int) -> DataFrame:
    """Open every file of `listed_rows`; one outcome row a file.

    Returns the columns of `RECORDINGS`, and ``reason`` and ``detail``, null where the file is
    valid. ``split`` and ``seed`` as `covers.audio.manifest.inspect_file` takes them.
    """
    limits = sandbox.Limits(cpu_s=60, wall_s=120)
    return map_rows(
        listed,
        lambda row: [manifest.inspect_file(row, split=split, seed=seed, limits=limits)],
        _OUTCOME,
        partition_by="uri",
    )


def valid_rows(outcomes: DataFrame) -> DataFrame:
    """Return the outcomes that are recordings, with the columns of `RECORDINGS`."""
    return outcomes.where("reason IS NULL").select(*RECORDINGS.column_names)


def removed_rows(lake: Lake, valid: DataFrame, data_set: str) -> DataFrame:
    """Return the present recordings of a data set that are not among ``valid``, marked removed."""
    lake.ensure(RECORDINGS)
    recordings = lake.spark.table(lake.identifier(RECORDINGS))
    present = recordings.where((F.col("data_set") == data_set) & (F.col("state") == "present"))
    return checkpoint_to_disk(
        present.join(valid.select("recording_id"), "recording_id", "left_anti")
        .withColumn("state", F.lit("removed"))
        .select(*RECORDINGS.column_names)
    )
