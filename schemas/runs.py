"""`runs`: every run of every job: the lineage of the tables."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

RUNS = Table(
    name="runs",
    comment="One run of one job",
    columns=(
        Column("run_id", T.StringType(), "Id"),
        Column("job", T.StringType(), "Job"),
        Column("arguments", T.StringType(), "Its arguments (JSON)"),
        Column("code_version", T.StringType(), "Git commit, or package version"),
        Column("seed", T.LongType(), "Seed"),
        Column("inputs", T.StringType(), "Delta version or content hash of every input (JSON)"),
        Column("outputs", T.StringType(), "Delta version of every output (JSON)"),
        Column("n_rows", T.LongType(), "Rows written"),
        Column("n_quarantined", T.LongType(), "Rows rejected"),
        Column("seconds", T.DoubleType(), "Wall time", "s"),
        Column("finished_at", T.TimestampType(), "When it ended", "UTC"),
    ),
    key=("run_id",),
    checks={
        "seconds_not_negative": "seconds >= 0",
    },
)
