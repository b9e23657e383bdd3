"""`track_features`: the six attributes of a track or recording as vectors."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

TRACK_FEATURES = Table(
    name="track_features",
    comment="Feature vectors of one track",
    columns=(
        Column(
            "track_id",
            T.StringType(),
            "Track; `rec:` + recording_id where a recording has no catalogue row",
        ),
        Column(
            "encoding",
            T.StringType(),
            "raw (the write-up's) or musical (scaled, key on a circle)",
        ),
        Column("source", T.StringType(), "catalog, or estimated from audio"),
        Column(
            "x_vector",
            T.ArrayType(T.DoubleType()),
            "danceability, energy, key, mode, valence, tempo, unscaled; tempo in BPM",
        ),
        Column(
            "features",
            T.ArrayType(T.DoubleType()),
            "The encoded vector that clusters and similarity use",
        ),
        Column(
            "tempo_confidence",
            T.DoubleType(),
            "For estimated: confidence in the tempo against its half, double, third and triple, 0-1",
            nullable=True,
        ),
        Column("scaler_id", T.StringType(), "Model that scaled it (models.model_id)"),
        Column(
            "tracks_version",
            T.LongType(),
            "Delta version of tracks it was computed from; -1 for estimated",
        ),
    ),
    key=(
        "track_id",
        "encoding",
        "source",
    ),
    checks={
        "x_vector_has_six": "size(x_vector) = 6",
        "x_vector_is_finite": "forall(x_vector, x -> x IS NOT NULL AND NOT isnan(x))",
        "features_are_finite": "forall(features, x -> x IS NOT NULL AND NOT isnan(x))",
        "tempo_confidence_in_range": "tempo_confidence IS NULL OR tempo_confidence BETWEEN 0 AND 1",
        "source_is_known": "source IN ('catalog', 'estimated')",
        "encoding_is_known": "encoding IN ('raw', 'musical')",
    },
)
