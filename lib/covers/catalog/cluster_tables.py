"""Rows of `cluster_models` and `track_clusters`, and the finding of a model in the lake."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sklearn.pipeline import Pipeline

from covers.catalog import cluster_quality, features
from covers.catalog.classifier import predicted
from covers.catalog.kmeans import Clustering, describe, nearest_center
from covers.catalog.names import track_id_of_recording
from covers.errors import InputError
from covers.io.lake import Lake
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.tracks import TRACKS


@dataclass(frozen=True)
class ClusterModel:
    """A k-means model as it is kept in the lake."""

    cluster_model_id: str
    encoding: str
    centers: np.ndarray
    scaler_id: str


def cluster_summary(rows: DataFrame, k: int) -> list[dict]:
    """Return size, share and musical words of every cluster; takes x_vector and cluster."""
    x = [F.col("x_vector")[i] for i in range(6)]
    aggregates = [
        f(x[i]).alias(f"{f.__name__}{i}") for f in (F.mean, F.stddev_pop) for i in range(6)
    ]
    whole = rows.agg(F.count("*").alias("n"), *aggregates).collect()[0]
    overall = np.array([whole[f"mean{i}"] for i in range(6)])
    spread = np.array([whole[f"stddev_pop{i}"] for i in range(6)])
    found = {
        r["cluster"]: r
        for r in rows.groupBy("cluster").agg(F.count("*").alias("n"), *aggregates).collect()
    }
    described = []
    for cluster in range(k):
        row = found.get(cluster)
        means = np.array([row[f"mean{i}"] for i in range(6)]) if row else overall
        described.append(
            {
                "cluster": cluster,
                "tracks": row["n"] if row else 0,
                "share": (row["n"] / whole["n"]) if row else 0.0,
                "mean key": float(means[2]),
                "in words": describe(means, overall, spread),
            }
        )
    return described


def model_row(
    fit: Clustering,
    described: list[dict],
    *,
    encoding: str,
    seed: int,
    scaler_id: str,
    version: int,
) -> tuple:
    """Return the row of `cluster_models`."""
    centers = [float(x) for x in fit.centers.ravel()]
    return (
        f"{encoding}-k{fit.k}-s{seed}", encoding, fit.k, seed, centers, fit.centers.shape[1],
        scaler_id, fit.inertia, fit.silhouette, fit.stability, json.dumps(described), version,
    )  # fmt: skip


def track_rows(rows: DataFrame, model_id: str) -> DataFrame:
    """Return rows of `track_clusters`; takes track_id, cluster and distance."""
    return rows.select(
        "track_id",
        F.lit(model_id).alias("cluster_model_id"),
        "cluster",
        "distance",
        F.lit("nearest_center").alias("method"),
        F.lit(None).cast("boolean").alias("agrees"),
    )


def find_model(lake: Lake, model_id: str | None) -> ClusterModel:
    """Return a k-means model by id; without one, the only one of encoding musical, else raw.

    Raises
    ------
    InputError
        If there is none of that id.
    """
    rows = lake.read(CLUSTER_MODELS).orderBy(F.col("encoding"), "cluster_model_id").collect()
    chosen = [r for r in rows if model_id in (None, r["cluster_model_id"])]
    if not chosen:
        known = [r["cluster_model_id"] for r in rows]
        raise InputError(f"cluster model must be one of {known}, got {model_id!r}")
    row = chosen[0]
    centers = np.array(row["centers"]).reshape(row["k"], row["n_features"])
    return ClusterModel(row["cluster_model_id"], row["encoding"], centers, row["scaler_id"])


@dataclass(frozen=True)
class Worth:
    """What a clustering is worth by keys, titles and artists (`cluster_worth`)."""

    told_by_key: float
    same_title: cluster_quality.Agreement
    same_artist: cluster_quality.Agreement

    def summary(self) -> dict[str, object]:
        """Return it in words."""
        return {
            "told by key alone": self.told_by_key,
            "pairs of one title by different artists in one cluster": str(self.same_title),
            "pairs of one artist in one cluster": str(self.same_artist),
        }

    def evaluation_rows(self, fit: Clustering, model_id: str, n_tracks: int) -> list[tuple]:
        """Return rows of `evaluations`: these figures beside silhouette and stability."""
        plain = {
            "told_by_key": self.told_by_key,
            "silhouette": fit.silhouette,
            "stability": fit.stability,
        }
        rows: list[tuple] = [(name, value, None, None, n_tracks) for name, value in plain.items()]
        for name, found in {"same_title": self.same_title, "same_artist": self.same_artist}.items():
            rows += [
                (name, found.value, found.low, found.high, found.n),
                (f"{name}_by_chance", found.chance, None, None, found.n),
            ]
        identity = (f"{model_id}/catalogue", "catalogue", "k-means", model_id)
        return [(*identity, *row) for row in rows]


def named(lake: Lake, source: str, features: DataFrame) -> DataFrame:
    """Return track_id, name, artist and key of what `track_features` rows of a source are about."""
    if source == "catalog":
        return lake.read(TRACKS)
    identity = track_id_of_recording().alias("track_id")
    name = F.coalesce("title", "work_id").alias("name")
    names = lake.read(RECORDINGS).select(identity, name, "artist").dropDuplicates(["track_id"])
    return names.join(features.select("track_id", F.col("x_vector")[2].alias("key")), "track_id")


def worth_of(clustered: DataFrame, tracks: DataFrame) -> Worth:
    """Return what clusters are worth; takes track_id and cluster, and `named` tracks."""
    told = clustered.select("track_id", "cluster").join(
        tracks.select("track_id", "name", "artist", "key"), "track_id"
    )
    return Worth(
        cluster_quality.told_by_key(told),
        cluster_quality.same_title(told),
        cluster_quality.same_artist(told),
    )


def rescaled(rows: DataFrame, scaler: features.Scaler, encoding: str) -> DataFrame:
    """Encode x_vector anew, by the scaler that the centres were fitted with.

    Takes `track_features` rows of one encoding, of which the catalogue's is preferred to the
    estimate; returns track_id, features, is_in_range and is_unusual (key or
    tempo not detected, or a tempo that the scaler never saw).
    """
    x = {name: F.col("x_vector")[i] for i, name in enumerate(features.X_VECTOR)}
    once = rows.groupBy("track_id").agg(F.min_by("x_vector", "source").alias("x_vector"))
    wide = once.select("track_id", *[value.alias(name) for name, value in x.items()])
    return wide.select(
        "track_id",
        features.encode(scaler, encoding).alias("features"),
        features.is_in_range().alias("is_in_range"),
        features.is_unusual(scaler).alias("is_unusual"),
        F.array(*features.X_VECTOR).cast("string").alias("shown"),
    )


def assigned_rows(rows: DataFrame, model: ClusterModel, classifier: Pipeline) -> DataFrame:
    """Return rows of `track_clusters` by the classifier, and whether the nearest centre agrees."""
    near = nearest_center(rows, model.centers)
    return near.select(
        "track_id",
        F.lit(model.cluster_model_id).alias("cluster_model_id"),
        predicted(classifier)("features").alias("cluster"),
        "distance",
        F.lit("classifier").alias("method"),
        F.col("cluster").alias("_near"),
    ).select(
        *("track_id", "cluster_model_id", "cluster", "distance", "method"),
        (F.col("cluster") == F.col("_near")).alias("agrees"),
    )


def agreements(assigned: DataFrame, tracks: DataFrame) -> list[dict]:
    """Return how often both say the same, on all and where something was not detected or new.

    Takes `assigned_rows` and `rescaled` rows.
    """
    joined = assigned.join(tracks.select("track_id", "is_unusual"), "track_id")
    same = F.col("agrees").cast("double")
    unusual = F.when(F.col("is_unusual"), same)
    n, all_same, n_unusual, unusual_same = joined.agg(
        F.count("*"), F.mean(same), F.count(unusual), F.mean(unusual)
    ).collect()[0]
    return [
        {"tracks": "all", "n": n, "agree": all_same},
        {"tracks": "key or tempo unknown, or a tempo never seen", "n": n_unusual,
         "agree": unusual_same},
    ]  # fmt: skip


def out_of_range_rows(rows: DataFrame) -> DataFrame:
    """Return rows of `quarantine` for new tracks whose attributes cannot be; takes `rescaled`'s."""
    return rows.select(
        F.sha2(F.concat(F.lit("assign_clusters|"), "track_id"), 256).alias("quarantine_id"),
        F.lit("track").alias("what"),
        F.concat(F.lit("track_features: "), "track_id").alias("location"),
        F.lit("attributes_out_of_range").alias("reason"),
        F.concat(F.lit(", ".join(features.X_VECTOR) + " = "), "shown").alias("detail"),
        F.lit(None).cast("string").alias("raw"),
        F.lit("assign_clusters").alias("job"),
    )
