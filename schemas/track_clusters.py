"""`track_clusters`: the cluster of every track."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

TRACK_CLUSTERS = Table(
    name="track_clusters",
    comment="Cluster of one track under one model",
    columns=(
        Column("track_id", T.StringType(), "Track, as in track_features"),
        Column("cluster_model_id", T.StringType(), "Model (cluster_models)"),
        Column("cluster", T.IntegerType(), "Cluster, 0 to k-1"),
        Column("distance", T.DoubleType(), "Euclidean distance to the centre"),
        Column("method", T.StringType(), "nearest_center, or classifier"),
        Column(
            "agrees",
            T.BooleanType(),
            "For the classifier: whether the nearest centre agrees",
            nullable=True,
        ),
    ),
    key=(
        "track_id",
        "cluster_model_id",
    ),
    checks={
        "cluster_not_negative": "cluster >= 0",
        "distance_not_negative": "distance >= 0",
        "method_is_known": "method IN ('nearest_center', 'classifier')",
    },
)
