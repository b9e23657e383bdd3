"""`embeddings`: embeddings of recordings by a network."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

EMBEDDINGS = Table(
    name="embeddings",
    comment="Embedding of one segment of one recording",
    columns=(
        Column("recording_id", T.StringType(), "Recording"),
        Column("model_id", T.StringType(), "Network (models)"),
        Column("segment", T.IntegerType(), "Number of the segment, from 0"),
        Column("vector", T.ArrayType(T.FloatType()), "Row-major embedding of unit L2 norm"),
        Column(
            "shape",
            T.ArrayType(T.IntegerType()),
            "Shape: (d,) or, for covernet, (12, d): pitch class first",
        ),
        Column(
            "parameters_id", T.StringType(), "Parameters of the spectrogram it was computed from"
        ),
        Column("sha256", T.StringType(), "Hash of the audio file"),
    ),
    key=(
        "recording_id",
        "model_id",
        "segment",
    ),
    checks={
        "vector_is_full": "size(vector) = aggregate(shape, 1, (a, n) -> a * n)",
        "vector_is_finite": "forall(vector, x -> x IS NOT NULL AND NOT isnan(x))",
    },
)
