"""Rows of `cluster_models` and `track_clusters`; the cluster model to use; names of clustered tracks."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.catalog.kmeans import Clustering, describe
from covers.catalog.names_table import track_id_of_recording
from covers.errors import InputError
from covers.io.lake import Lake
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.tracks import TRACKS


@dataclass(frozen=True)
class ClusterModel:
    """A k-means model of the lake: centres of shape (k, n_features)."""

    cluster_model_id: str
    encoding: str
    centers: np.ndarray
    scaler_id: str


def cluster_summary(rows: DataFrame, k: int) -> list[dict]:
    """Return size, share, mean key and musical words of every cluster; takes x_vector and cluster."""
    x = [F.col("x_vector")[i] for i in range(6)]
    aggregates = [
        f(x[i]).alias(f"{f.__name__}{i}") for f in (F.mean, F.stddev_pop) for i in range(6)
    ]
    total = rows.agg(F.count("*").alias("n"), *aggregates).collect()[0]
    overall = np.array([total[f"mean{i}"] for i in range(6)])
    std = np.array([total[f"stddev_pop{i}"] for i in range(6)])
    by_cluster = {
        r["cluster"]: r
        for r in rows.groupBy("cluster").agg(F.count("*").alias("n"), *aggregates).collect()
    }
    described = []
    for cluster in range(k):
        row = by_cluster.get(cluster)
        means = np.array([row[f"mean{i}"] for i in range(6)]) if row else overall
        described.append(
            {
                "cluster": cluster,
                "tracks": row["n"] if row else 0,
                "share": (row["n"] / total["n"]) if row else 0.0,
                "mean_key": float(means[2]),
                "words": describe(means, overall, std),
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
        ids = [r["cluster_model_id"] for r in rows]
        raise InputError(f"cluster model must be one of {ids}, got {model_id!r}")
    row = chosen[0]
    centers = np.array(row["centers"]).reshape(row["k"], row["n_features"])
    return ClusterModel(row["cluster_model_id"], row["encoding"], centers, row["scaler_id"])


def track_names(lake: Lake, source: str, features: DataFrame) -> DataFrame:
    """Return track_id, name, artist and key of the tracks or recordings behind `track_features` rows."""
    if source == "catalog":
        return lake.read(TRACKS)
    identity = track_id_of_recording().alias("track_id")
    name = F.coalesce("title", "work_id").alias("name")
    names = lake.read(RECORDINGS).select(identity, name, "artist").dropDuplicates(["track_id"])
    return names.join(features.select("track_id", F.col("x_vector")[2].alias("key")), "track_id")
