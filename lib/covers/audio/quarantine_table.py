"""Rejected audio files as rows of `quarantine`: of both ingestion and decoding."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.schemas.quarantine import QUARANTINE


def quarantine_rows(outcomes: DataFrame, job: str) -> DataFrame:
    """Return one `QUARANTINE` row a rejected file and reason; takes uri, reason, detail.

    Rows whose ``reason`` is null are valid and left out.
    """
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
