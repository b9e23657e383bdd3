"""`cluster_models`: fitted k-means models."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

CLUSTER_MODELS = Table(
    name="cluster_models",
    comment="One k-means model",
    columns=(
        Column("cluster_model_id", T.StringType(), "Id: encoding, k and seed"),
        Column("encoding", T.StringType(), "Encoding of the features"),
        Column("k", T.IntegerType(), "Number of clusters"),
        Column("seed", T.LongType(), "Seed of the first centres"),
        Column("centers", T.ArrayType(T.DoubleType()), "Row-major (k, n_features) centres"),
        Column("n_features", T.IntegerType(), "Length of a feature vector"),
        Column("scaler_id", T.StringType(), "Model that scaled the features (models.model_id)"),
        Column("inertia", T.DoubleType(), "Sum of squared distances to the nearest centre"),
        Column("silhouette", T.DoubleType(), "Mean silhouette of a sample", "-1 to 1"),
        Column(
            "stability",
            T.DoubleType(),
            "Mean adjusted Rand index between this fit and fits from other seeds",
            "-1 to 1",
        ),
        Column(
            "description",
            T.StringType(),
            "Size, mean key and musical description of every cluster (JSON)",
        ),
        Column(
            "features_version",
            T.LongType(),
            "Delta version of track_features it was fitted on",
        ),
    ),
    key=("cluster_model_id",),
    checks={
        "k_at_least_two": "k >= 2",
        "centers_are_full": "size(centers) = k * n_features",
        "centers_are_finite": "forall(centers, x -> x IS NOT NULL AND NOT isnan(x))",
        "inertia_not_negative": "inertia >= 0",
    },
)
