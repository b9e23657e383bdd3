"""`recordings`: audio files and symbolic versions, with their work and split."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

NOTES = "notes"  # codec of symbolic versions: synthesized as tensors, without a file

RECORDINGS = Table(
    name="recordings",
    comment="One audio file, or one symbolic version",
    columns=(
        Column(
            "recording_id",
            T.StringType(),
            "Id from the manifest, or from the data set and the path",
        ),
        Column("data_set", T.StringType(), "Set it belongs to, as named at ingestion"),
        Column(
            "work_id", T.StringType(), "Work that it is a version of; null = unknown", nullable=True
        ),
        Column("track_id", T.StringType(), "Catalogue row, where one matches", nullable=True),
        Column("title", T.StringType(), "Title", nullable=True),
        Column("artist", T.StringType(), "Artist", nullable=True),
        Column(
            "split",
            T.StringType(),
            "train, validation or test, by work; evaluation sets are all test",
        ),
        Column("uri", T.StringType(), "Location of the file"),
        Column("sha256", T.StringType(), "Hash of its content"),
        Column("n_bytes", T.LongType(), "Size", "bytes"),
        Column(
            "codec",
            T.StringType(),
            "Container and subtype, as libsndfile names them; notes = symbolic: a tensor without a file",
        ),
        Column("sample_rate", T.IntegerType(), "Sampling rate", "Hz"),
        Column("channels", T.IntegerType(), "Number of channels"),
        Column("duration_s", T.DoubleType(), "Length", "s"),
        Column(
            "spec", T.StringType(), "Version spec of a synthesized version (JSON)", nullable=True
        ),
        Column("state", T.StringType(), "present, or removed when the file is gone"),
    ),
    key=("recording_id",),
    checks={
        "split_is_known": "split IN ('train', 'validation', 'test')",
        "state_is_known": "state IN ('present', 'removed')",
        "sample_rate_positive": "sample_rate > 0",
        "duration_positive": "duration_s > 0",
    },
)
