"""`quarantine`: what was set aside, and why."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

QUARANTINE = Table(
    name="quarantine",
    comment="One row or file that was set aside",
    columns=(
        Column("quarantine_id", T.StringType(), "Hash of where and what"),
        Column("what", T.StringType(), "track or recording"),
        Column("location", T.StringType(), "File, and line where there is one"),
        Column("reason", T.StringType(), "Reason code"),
        Column("detail", T.StringType(), "What was wrong, with the value"),
        Column("raw", T.StringType(), "The row as it was read", nullable=True),
        Column("job", T.StringType(), "Job that set it aside"),
    ),
    key=("quarantine_id",),
    checks={
        "what_is_known": "what IN ('track', 'recording')",
        "reason_is_not_empty": "length(reason) > 0",
    },
)
