"""`track_similarity`: similarity of each track to a seed track."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

TRACK_SIMILARITY = Table(
    name="track_similarity",
    comment="Similarity of one track to one seed track",
    columns=(
        Column("seed_track_id", T.StringType(), "Track compared with"),
        Column("method", T.StringType(), "writeup (mean of six) or euclidean"),
        Column("track_id", T.StringType(), "Track"),
        Column("similarity", T.DoubleType(), "1 = equal in every attribute", "0 to 1"),
        Column(
            "x_vector",
            T.ArrayType(T.DoubleType()),
            "The write-up's vector of the track, tempo scaled",
        ),
    ),
    key=(
        "seed_track_id",
        "method",
        "track_id",
    ),
    checks={
        "similarity_in_range": "similarity BETWEEN 0 AND 1",
        "x_vector_has_six": "size(x_vector) = 6",
        "method_is_known": "method IN ('writeup', 'euclidean')",
    },
)
