"""`spectrograms`: recordings as tensors, the input of networks."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

SPECTROGRAMS = Table(
    name="spectrograms",
    comment="Tensor of one segment of one recording",
    columns=(
        Column("recording_id", T.StringType(), "Recording"),
        Column("representation", T.StringType(), "log_mel, log_frequency or chroma"),
        Column(
            "parameters_id",
            T.StringType(),
            "Hash of the parameters; other parameters make another row",
        ),
        Column("segment", T.IntegerType(), "Number of the segment, from 0"),
        Column("parameters", T.StringType(), "All parameters (JSON)"),
        Column("sha256", T.StringType(), "Hash of the audio file it was computed from"),
        Column("start_s", T.DoubleType(), "Where the segment starts", "s"),
        Column("duration_s", T.DoubleType(), "Length of the segment", "s"),
        Column("frames_per_second", T.DoubleType(), "Frames per second of the last axis", "1/s"),
        Column("shape", T.ArrayType(T.IntegerType()), "Shape of the tensor; the last axis is time"),
        Column("dtype", T.StringType(), "Type of the stored values: uint8"),
        Column("scale", T.FloatType(), "value = stored * scale + offset"),
        Column("offset", T.FloatType(), "value = stored * scale + offset"),
        Column("tensor", T.BinaryType(), "Row-major values, zlib-compressed"),
    ),
    key=(
        "recording_id",
        "representation",
        "parameters_id",
        "segment",
    ),
    checks={
        "shape_is_positive": "forall(shape, n -> n > 0)",
        "tensor_is_not_empty": "length(tensor) > 0",
        "representation_is_known": "representation IN ('log_mel', 'log_frequency', 'chroma')",
        "dtype_is_known": "dtype = 'uint8'",
    },
)
