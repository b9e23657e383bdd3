"""Assigning new tracks to clusters by the classifier, beside the nearest centre."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sklearn.pipeline import Pipeline

from covers.catalog.classifier_table import prediction_udf
from covers.catalog.cluster_tables import ClusterModel
from covers.catalog.features import X_VECTOR, Scaler
from covers.catalog.features_table import encode, is_in_range, is_unusual
from covers.catalog.kmeans_table import nearest_center


def rescale(rows: DataFrame, scaler: Scaler, encoding: str) -> DataFrame:
    """Encode x_vector by the scaler that the centres were fitted with.

    Takes `track_features` rows of one encoding; of a track's two, the catalogue's is preferred to
    the estimate. Returns track_id, features, is_in_range, is_unusual (key or tempo not detected, or
    a tempo outside the scaler's range) and shown, the values for a message.
    """
    x = {name: F.col("x_vector")[i] for i, name in enumerate(X_VECTOR)}
    unique = rows.groupBy("track_id").agg(F.min_by("x_vector", "source").alias("x_vector"))
    wide = unique.select("track_id", *[value.alias(name) for name, value in x.items()])
    return wide.select(
        "track_id",
        encode(scaler, encoding).alias("features"),
        is_in_range().alias("is_in_range"),
        is_unusual(scaler).alias("is_unusual"),
        F.array(*X_VECTOR).cast("string").alias("shown"),
    )


def assignment_rows(rows: DataFrame, model: ClusterModel, classifier: Pipeline) -> DataFrame:
    """Return rows of `track_clusters` by the classifier, and whether the nearest centre agrees."""
    nearest = nearest_center(rows, model.centers)
    return nearest.select(
        "track_id",
        F.lit(model.cluster_model_id).alias("cluster_model_id"),
        prediction_udf(classifier)("features").alias("cluster"),
        "distance",
        F.lit("classifier").alias("method"),
        F.col("cluster").alias("_nearest"),
    ).select(
        *("track_id", "cluster_model_id", "cluster", "distance", "method"),
        (F.col("cluster") == F.col("_nearest")).alias("agrees"),
    )


def agreement_rates(assigned: DataFrame, tracks: DataFrame) -> list[dict]:
    """Return how often classifier and nearest centre agree: on all tracks, and on unusual ones.

    Takes `assignment_rows` and `rescale` rows.
    """
    joined = assigned.join(tracks.select("track_id", "is_unusual"), "track_id")
    same = F.col("agrees").cast("double")
    unusual = F.when(F.col("is_unusual"), same)
    n, all_same, n_unusual, unusual_same = joined.agg(
        F.count("*"), F.mean(same), F.count(unusual), F.mean(unusual)
    ).collect()[0]
    return [
        {"tracks": "all", "n": n, "agree": all_same},
        {"tracks": "key or tempo not detected, or tempo out of range", "n": n_unusual,
         "agree": unusual_same},
    ]  # fmt: skip


def quarantine_rows(rows: DataFrame) -> DataFrame:
    """Return rows of `quarantine` for tracks whose attributes are out of range; takes `rescale` rows."""
    return rows.select(
        F.sha2(F.concat(F.lit("assign_clusters|"), "track_id"), 256).alias("quarantine_id"),
        F.lit("track").alias("what"),
        F.concat(F.lit("track_features: "), "track_id").alias("location"),
        F.lit("attributes_out_of_range").alias("reason"),
        F.concat(F.lit(", ".join(X_VECTOR) + " = "), "shown").alias("detail"),
        F.lit(None).cast("string").alias("raw"),
        F.lit("assign_clusters").alias("job"),
    )
