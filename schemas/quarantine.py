"""`quarantine`: rejected rows and files, with the reason."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

QUARANTINE = Table(
    name="quarantine",
    comment="One rejected row or file",
    columns=(
        Column("quarantine_id", T.StringType(), "Hash of location and content"),
        Column("what", T.StringType(), "track or recording"),
        Column("location", T.StringType(), "File, and line where there is one"),
        Column("reason", T.StringType(), "Reason code"),
        Column("detail", T.StringType(), "The rule that was broken, with the value"),
        Column("raw", T.StringType(), "The row as it was read", nullable=True),
        Column("job", T.StringType(), "Job that rejected it"),
    ),
    key=("quarantine_id",),
    checks={
        "what_is_known": "what IN ('track', 'recording')",
        "reason_is_not_empty": "length(reason) > 0",
    },
)
