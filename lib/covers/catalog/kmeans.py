"""k-means over feature vectors, with silhouette and stability of the clusters.

*Conventions.* Features arrive as ``array<double>``. The starts are tried on a sample that the
driver can hold; Lloyd's steps over all rows refine the best, so the driver's memory does not
grow with the catalogue. Stability is the mean adjusted Rand index between the chosen start and
the other ones on the sample; 1 = always the same clusters.

References
----------
Lloyd. "Least squares quantization in PCM." 1982. Hubert, Arabie. "Comparing partitions." 1985
(adjusted Rand index). Rousseeuw. "Silhouettes." 1987.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from covers.errors import InputError
from covers.io.spark import hash_bucket

SAMPLE = 100_000
SILHOUETTE_SAMPLE = 5_000  # it compares all pairs
_WORDS = {  # index in x_vector: (word when high, word when low)
    0: ("danceable", "not for dancing"),
    1: ("loud", "calm"),
    3: ("major", "minor"),
    4: ("happy", "sad"),
    5: ("fast", "slow"),
}


@dataclass(frozen=True)
class Clustering:
    """A fit: centres (k, n_features), and how good and how stable it is."""

    centers: np.ndarray
    inertia: float
    silhouette: float
    stability: float

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centers)


def fit(features: DataFrame, *, k: int, seed: int, starts: int = 10) -> Clustering:
    """Fit k-means over all rows from the best of several starts; takes column `features`."""
    return choose_k(features, range(k, k + 1), seed=seed, starts=starts)[0]


def choose_k(
    features: DataFrame, ks: range, *, seed: int, starts: int = 10
) -> tuple[Clustering, list[dict]]:
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
    tried = [fit_sample(x, k=k, seed=seed, starts=starts) for k in ks]
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


def fit_sample(x: np.ndarray, *, k: int, seed: int, starts: int) -> Clustering:
    """Fit rows (n, n_features) that the driver holds, from several starts."""
    fits = [KMeans(k, n_init=1, random_state=seed + i).fit(x) for i in range(starts)]
    fits.sort(key=lambda f: f.inertia_)
    labels = fits[0].labels_
    agreement = [adjusted_rand_score(labels, f.labels_) for f in fits[1:]]
    silhouette = silhouette_score(
        x, labels, sample_size=min(len(x), SILHOUETTE_SAMPLE), random_state=seed
    )
    return Clustering(
        fits[0].cluster_centers_, float(fits[0].inertia_), float(silhouette),
        float(np.mean(agreement or [1.0])),
    )  # fmt: skip


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


def describe(means: np.ndarray, overall: np.ndarray, std: np.ndarray) -> str:
    """Return a cluster's mean x_vector in musical words, strongest first.

    Parameters
    ----------
    means, overall, std : np.ndarray, shape (6,)
        The cluster's mean, the catalogue's mean and standard deviation.

    Examples
    --------
    >>> describe(np.array([.5, .9, 5, 1, .8, 160]), np.array([.5, .5, 5, .6, .5, 120]), np.ones(6))
    'fast, loud, major'
    """
    z = (means - overall) / np.where(std > 0, std, 1.0)
    ranked = sorted((i for i in _WORDS if abs(z[i]) >= 0.4), key=lambda i: -abs(z[i]))
    words = [_WORDS[i][0 if z[i] > 0 else 1] for i in ranked]
    return ", ".join(words) or "like the whole catalogue"
