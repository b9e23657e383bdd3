"""Spark helpers: the session, one Python function over every row, checkpoints, hash buckets.

*Conventions.* Cluster settings live in spark-submit.sh, never here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.storagelevel import StorageLevel


def spark_session(app_name: str) -> SparkSession:
    """Return the session that spark-submit.sh configured, logging errors only.

    Raises
    ------
    RuntimeError
        If the session lacks Delta's extension: the job was not started by spark-submit.sh.
    """
    spark = SparkSession.builder.appName(app_name).getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    extensions = spark.conf.get("spark.sql.extensions", "")
    if "DeltaSparkSessionExtension" not in str(extensions):
        raise RuntimeError(
            f"spark.sql.extensions must name Delta's extension, got {extensions!r}; "
            "start jobs by ./spark-submit.sh or `databricks` with Delta installed"
        )
    return spark


def map_rows(
    frame: DataFrame,
    function: Callable[[dict], Iterable[dict]],
    schema: T.StructType,
    *,
    partition_by: str,
) -> DataFrame:
    """Return the rows that ``function`` makes of each row, in Arrow batches.

    A row is one unit of work: files and songs, not table rows. So a batch is written for each.

    Parameters
    ----------
    frame : DataFrame
        One row a unit of work.
    function : Callable
        A row as a dict to rows as dicts; absent keys become null.
    schema : StructType
        Of the rows that are made.
    partition_by : str
        Column by whose hash rows are distributed over four tasks a core.
    """
    arrow = to_arrow_schema(schema)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                made = list(function(row))
                if made:
                    yield pa.RecordBatch.from_pylist(made, schema=arrow)

    n_tasks = frame.sparkSession.sparkContext.defaultParallelism
    return frame.repartition(4 * n_tasks, partition_by).mapInArrow(work, schema)


def checkpoint_to_disk(rows: DataFrame) -> DataFrame:
    """Return ``rows``, computed now and cut off from the tables that they came from.

    Spark drops what it persisted of a table when the table is written, and computes it anew: rows
    that a job found to be new would be gone after it has written them. They are kept on disk: in
    memory, ten million rows filled a heap of 4 GB.
    """
    return rows.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)


def hash_bucket(column: str, seed: int, n_buckets: int) -> Column:
    """Return a bucket from 0 to ``n_buckets`` - 1, the same for equal values in any partitioning.

    The division by ``n_buckets`` gives a number in [0, 1) to split rows by.
    """
    return F.pmod(F.xxhash64(column, F.lit(seed)), F.lit(n_buckets))
