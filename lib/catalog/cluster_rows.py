"""Rows of `cluster_models` and `track_clusters`, and the finding of a model in the lake."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lib.catalog.classifier import predictor
from lib.catalog.clusters import Clustering, describe, nearest_center
from lib.io.errors import InputError
from lib.io.lake import Lake
from schemas.cluster_models import CLUSTER_MODELS


@dataclass(frozen=True)
class ClusterModel:
    """A k-means model as it is kept in the lake."""

    cluster_model_id: str
    encoding: str
    centers: np.ndarray


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
    return ClusterModel(row["cluster_model_id"], row["encoding"], centers)


def assigned_rows(features: DataFrame, model: ClusterModel, classifier_path: str) -> DataFrame:
    """Return rows of `track_clusters` by the classifier, and whether the nearest centre agrees."""
    near = nearest_center(features, model.centers).select(
        "track_id", "features", "distance", F.col("cluster").alias("_near")
    )

    @F.pandas_udf("int")  # type: ignore[call-overload]
    def by_classifier(vectors: pd.Series) -> pd.Series:
        return pd.Series(predictor(classifier_path)(np.array(vectors.tolist())))

    return near.withColumn("cluster", by_classifier("features")).select(
        "track_id",
        F.lit(model.cluster_model_id).alias("cluster_model_id"),
        "cluster",
        "distance",
        F.lit("classifier").alias("method"),
        (F.col("cluster") == F.col("_near")).alias("agrees"),
    )
