"""k-means over feature vectors, with the evidence that says what the clusters are worth.

*Conventions.* Features arrive as ``array<double>``. Stability is the mean adjusted Rand index
between the chosen fit and fits from other seeds, on a sample; 1 = always the same clusters.

References
----------
Hubert, Arabie. "Comparing partitions." 1985 (adjusted Rand index). Rousseeuw. "Silhouettes." 1987.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sklearn.metrics import adjusted_rand_score

SAMPLE = 20_000
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


def fit(features: DataFrame, *, k: int, seed: int, starts: int = 5) -> Clustering:
    """Fit k-means from several seeds and keep the lowest inertia; takes column `features`."""
    vectors = features.select(array_to_vector(F.col("features")).alias("v")).persist()
    n = vectors.count()
    if n <= k:
        raise ValueError(f"tracks must be more than k = {k} to cluster, got {n}")
    models = [
        KMeans(featuresCol="v", k=k, seed=seed + i, maxIter=100, tol=1e-6, initSteps=5).fit(vectors)
        for i in range(starts)
    ]
    models.sort(key=lambda m: m.summary.trainingCost)
    sample = vectors.sample(min(1.0, SAMPLE / n), seed=seed)
    labels = [_labels(m, sample) for m in models]
    stability = float(
        np.mean([adjusted_rand_score(labels[0], other) for other in labels[1:]] or [1.0])
    )
    evaluator = ClusteringEvaluator(featuresCol="v", predictionCol="prediction")
    silhouette = float(evaluator.evaluate(models[0].transform(sample)))
    vectors.unpersist()
    centers = np.array(models[0].clusterCenters())
    # Clusters are numbered by their centres, so that a seed cannot rename them.
    centers = centers[np.lexsort(centers.T[::-1])]
    return Clustering(centers, float(models[0].summary.trainingCost), silhouette, stability)


def _labels(model: KMeansModel, sample: DataFrame) -> np.ndarray:
    return np.array([r[0] for r in model.transform(sample).select("prediction").collect()])


def parse_k(text: str) -> range:
    """Parse the number of clusters: one number, or ``auto`` = 2 to 10.

    Examples
    --------
    >>> parse_k("3"), parse_k("auto")
    (range(3, 4), range(2, 11))
    """
    if text == "auto":
        return range(2, 11)
    if int(text) < 2:
        raise argparse.ArgumentTypeError(f"k must be at least 2, got {text}")
    return range(int(text), int(text) + 1)


def choose_k(features: DataFrame, ks: range, *, seed: int) -> tuple[Clustering, list[dict]]:
    """Return the fit with the best silhouette among the stable ones, and the figures of all."""
    fits = [fit(features, k=k, seed=seed, starts=3) for k in ks]
    table = [
        {"k": f.k, "inertia": f.inertia, "silhouette": f.silhouette, "stability": f.stability}
        for f in fits
    ]
    best = max(fits, key=lambda f: f.silhouette * max(f.stability, 0.0))
    return best, table


def nearest_center(features: DataFrame, centers: np.ndarray) -> DataFrame:
    """Add `cluster` and `distance` (Euclidean) of the nearest centre; takes column `features`."""
    distances = F.array(
        *[
            F.sqrt(
                F.aggregate(
                    F.zip_with(
                        "features", F.array(*map(F.lit, map(float, c))), lambda x, y: (x - y) ** 2
                    ),
                    F.lit(0.0),
                    lambda total, x: total + x,
                )
            )
            for c in centers
        ]
    )
    found = features.withColumn("_distances", distances)
    nearest = F.array_min("_distances")
    cluster = (F.array_position("_distances", nearest) - 1).cast("int")
    return found.withColumns({"distance": nearest, "cluster": cluster}).drop("_distances")


def describe(means: np.ndarray, overall: np.ndarray, spread: np.ndarray) -> str:
    """Return a cluster's mean x_vector in musical words, strongest first.

    Parameters
    ----------
    means, overall, spread : np.ndarray, shape (6,)
        The cluster's mean, the catalogue's mean and standard deviation.

    Examples
    --------
    >>> describe(np.array([.5, .9, 5, 1, .8, 160]), np.array([.5, .5, 5, .6, .5, 120]), np.ones(6))
    'fast, loud, major'
    """
    z = (means - overall) / np.where(spread > 0, spread, 1.0)
    ranked = sorted((i for i in _WORDS if abs(z[i]) >= 0.4), key=lambda i: -abs(z[i]))
    words = [_WORDS[i][0 if z[i] > 0 else 1] for i in ranked]
    return ", ".join(words) or "like the whole catalogue"
