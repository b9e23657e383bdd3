"""k-means over the whole catalogue: a start on a sample, Lloyd's steps over all rows.

*Conventions.* Features are ``array<double>``. The starts are tried on a sample that the driver can
hold; Lloyd's steps over all rows refine the best, so the driver's memory does not grow with the
catalogue.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from covers.catalog import kmeans
from covers.errors import InputError
from covers.io.spark import hash_bucket

SAMPLE = 100_000
MAP_SIZE = 3_000  # tracks on a map


def fit(features: DataFrame, *, k: int, seed: int, starts: int = 10) -> kmeans.Clustering:
    """Fit k-means over all rows from the best of several starts; takes column `features`."""
    return choose_k(features, range(k, k + 1), seed=seed, starts=starts)[0]


def choose_k(
    features: DataFrame, ks: range, *, seed: int, starts: int = 10
) -> tuple[kmeans.Clustering, list[dict]]:
    """Return the fit of the best silhouette x stability, and the metrics of every k that was tried.

    Raises
    ------
    InputError
        If there are not more different tracks than clusters.
    """
    n_rows = features.count()
    x = np.array(
        [r[0] for r in sample(features, n_rows, SAMPLE, seed).select("features").collect()]
    )
    n_different = len(np.unique(x, axis=0)) if len(x) else 0
    if n_different <= max(ks):
        raise InputError(
            f"different tracks must be more than k = {max(ks)} to cluster, got {n_different}"
        )
    x = x[np.lexsort(x.T)]  # the same starts in any partitioning
    tried = [kmeans.fit_sample(x, k=k, seed=seed, starts=starts) for k in ks]
    best = max(tried, key=lambda f: f.silhouette * max(f.stability, 0.0))
    centers, inertia = refine(features, best.centers)
    # Clusters are numbered in the order of their centres, so that a seed cannot renumber them.
    best = replace(best, centers=centers[np.lexsort(centers.T[::-1])], inertia=inertia)
    trials = [
        {
            "k": f.k, "inertia_per_track": f.inertia / len(x),
            "silhouette": f.silhouette, "stability": f.stability,
        }
        for f in tried
    ]  # fmt: skip
    return best, trials


def sample(rows: DataFrame, n_rows: int, size: int, seed: int) -> DataFrame:
    """Return about ``size`` of ``n_rows`` rows, the same in any partitioning."""
    if n_rows <= size:
        return rows
    bucket = hash_bucket("features", seed, 1_000_000)
    return rows.where(bucket < round(1_000_000 * size / n_rows))


def refine(
    features: DataFrame, centers: np.ndarray, *, tolerance: float = 1e-6, passes: int = 30
) -> tuple[np.ndarray, float]:
    """Return centres after Lloyd's steps over all rows, and their inertia.

    It ends when a step lowers the inertia by less than the relative ``tolerance``.
    """
    inertia = float("inf")
    x = [F.col("features")[i] for i in range(centers.shape[1])]
    sums = [F.sum(value).alias(f"x{i}") for i, value in enumerate(x)]
    square = F.sum(F.col("distance") * F.col("distance")).alias("square")
    new = centers
    for _ in range(passes):
        assigned = nearest_center(features.select("features"), new).groupBy("cluster")
        rows = assigned.agg(F.count("*").alias("n"), square, *sums).collect()
        before, centers, inertia = inertia, new, float(sum(r["square"] for r in rows))
        if before - inertia <= tolerance * inertia:
            break
        new = centers.copy()  # a cluster without tracks keeps its centre
        for row in rows:
            new[row["cluster"]] = [row[f"x{i}"] / row["n"] for i in range(len(x))]
    return centers, inertia


def nearest_center(features: DataFrame, centers: np.ndarray) -> DataFrame:
    """Add `cluster` and `distance` (Euclidean) of the nearest centre; takes column `features`."""
    names = [f"_square{j}" for j in range(len(centers))]
    squares = {name: _square(center) for name, center in zip(names, centers, strict=True)}
    rows = features.withColumns(squares).withColumn("_nearest", F.least(*names))
    nearest = [F.when(F.col(name) == F.col("_nearest"), j) for j, name in enumerate(names)]
    return rows.withColumns(
        {"distance": F.sqrt("_nearest"), "cluster": F.coalesce(*nearest).cast("int")}
    ).drop(*names, "_nearest")


def _square(center: np.ndarray) -> Column:
    """Return the squared distance to a centre, as plain arithmetic: Spark compiles it."""
    differences = [F.col("features")[i] - float(value) for i, value in enumerate(center)]
    return sum((d * d for d in differences[1:]), differences[0] * differences[0])


def map_sample(clustered: DataFrame, n_rows: int, seed: int) -> pd.DataFrame:
    """Return a few thousand tracks for a map; takes x_vector, features and cluster."""
    few = sample(clustered, n_rows, MAP_SIZE, seed)
    return few.select("features", "cluster", F.col("x_vector")[2].alias("key")).toPandas()
