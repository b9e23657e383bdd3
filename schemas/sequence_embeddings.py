"""`sequence_embeddings`: what recordings are aligned by, stored so that a search need not embed them anew."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

SEQUENCE_EMBEDDINGS = Table(
    name="sequence_embeddings",
    comment="Embeddings of one recording at all levels and tempi, in 8 bits",
    columns=(
        Column("recording_id", T.StringType(), "Recording"),
        Column("model_id", T.StringType(), "Network (models)"),
        Column("width", T.IntegerType(), "Numbers of an embedding"),
        Column("n_transpositions", T.IntegerType(), "Rows of an embedding, one a pitch class"),
        Column(
            "semitones", T.IntegerType(), "Canonical transposition: rows were rolled down by it", "semitones"
        ),
        Column("tracks", T.BinaryType(), "int8, row-major: (number of tempo factors, width), own tempo first"),
        Column("tracks_scales", T.ArrayType(T.FloatType()), "Of each row: value = stored * scale"),
        Column("segments", T.BinaryType(), "int8, row-major: (number of segments, width), tempo by tempo"),
        Column("segments_scales", T.ArrayType(T.FloatType()), "Of each row: value = stored * scale"),
        Column("segment_counts", T.ArrayType(T.IntegerType()), "Segments at each tempo factor"),
        Column("frames", T.BinaryType(), "int8, row-major: (number of frames, width), own tempo"),
        Column("frames_scales", T.ArrayType(T.FloatType()), "Of each row: value = stored * scale"),
        Column("parameters_id", T.StringType(), "Parameters of the spectrogram it was made from"),
        Column("sha256", T.StringType(), "Hash of the audio file"),
    ),
    key=("recording_id", "model_id"),
    checks={
        "tracks_are_whole": "length(tracks) = width * size(tracks_scales)",
        "segments_are_whole": "length(segments) = width * size(segments_scales)",
        "frames_are_whole": "length(frames) = width * size(frames_scales)",
        "scales_are_finite": "forall(concat(tracks_scales, segments_scales, frames_scales), "
        "x -> x IS NOT NULL AND NOT isnan(x))",
    },
)  # fmt: skip
