"""An SGD classifier that learns the clusters batch by batch, judged after every batch.

*Conventions.* Tracks stream in from Spark one partition at a time; only one batch and the test
set are held. The test set is cut by a hash of track_id and never fitted.

References
----------
The write-up, notebook "IterativeLearning_3clusters": hinge loss, batches of 500, 10 epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skops.io
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

Batch = tuple[np.ndarray, np.ndarray]
PRESETS = ("iterative",)


@dataclass(frozen=True)
class ClassifierConfig:
    """The write-up's settings; ``test_share`` of tracks is held back."""

    preset: str = "iterative"
    epochs: int = 10
    batch_size: int = 500
    test_share: float = 0.2
    seed: int = 123
    alpha: float = 1e-4
    eta0: float = 0.01


def labelled(
    features: DataFrame,
    clusters: DataFrame,
    config: ClassifierConfig,
    *,
    encoding: str,
    cluster_model_id: str,
) -> DataFrame:
    """Return features, cluster and is_test; takes `track_features` and `track_clusters` rows."""
    bucket = F.pmod(F.xxhash64("track_id", F.lit(config.seed)), F.lit(10_000)) / 10_000
    mine = features.where((F.col("encoding") == encoding) & (F.col("source") == "catalog"))
    labels = clusters.where(
        (F.col("cluster_model_id") == cluster_model_id) & (F.col("method") == "nearest_center")
    )
    return mine.join(labels.select("track_id", "cluster"), "track_id").select(
        "features", "cluster", (bucket < config.test_share).alias("is_test")
    )


def batches(rows: DataFrame, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield (x, y) of at most ``size`` training rows, shuffled within the batch."""
    held: list = []
    for row in rows.where("NOT is_test").select("features", "cluster").toLocalIterator():
        held.append(row)
        if len(held) == size:
            yield _shuffled(held, rng)
            held = []
    if held:
        yield _shuffled(held, rng)


def _shuffled(rows: list, rng: np.random.Generator) -> Batch:
    order = rng.permutation(len(rows))
    return np.array([rows[i][0] for i in order]), np.array([rows[i][1] for i in order])


def fit_stream(
    passes: Iterator[Iterator[Batch]], test: Batch, classes: np.ndarray, config: ClassifierConfig
) -> tuple[Pipeline, list[dict]]:
    """Fit batch after batch; return the model and the figures after every fit.

    Parameters
    ----------
    passes : iterator of iterators of (x, y)
        One inner iterator an epoch; x of shape (n, d) float64, y of shape (n,) int.
    test : (x, y)
        Judged after every fit, never fitted.
    classes : np.ndarray, shape (k,)
        All clusters.

    Raises
    ------
    ValueError
        If there is not one batch.
    """
    scaler = StandardScaler()
    model = SGDClassifier(
        loss="hinge", penalty="l2", alpha=config.alpha, max_iter=3000, tol=None,
        learning_rate="adaptive", eta0=config.eta0, random_state=config.seed,
    )  # fmt: skip
    fits: list[dict] = []
    for epoch, stream in enumerate(passes):
        for x, y in stream:
            if epoch == 0:
                scaler.partial_fit(x)
            model.partial_fit(scaler.transform(x), y, classes=classes)
            for part, (px, py) in {"train": (x, y), "test": test}.items():
                fits.append(
                    {
                        "fit": len(fits) // 2 + 1,
                        "part": part,
                        **scores(model.predict(scaler.transform(px)), py),
                    }
                )
    if not fits:
        raise ValueError("tracks must fill at least one batch, got none")
    pipeline = make_pipeline(scaler, model)
    return pipeline, fits


def scores(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float | int]:
    """Return accuracy and weighted precision, recall and F1."""
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, average="weighted", zero_division=0
    )
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "precision": float(precision), "recall": float(recall), "f1": float(f1), "n": len(truth),
    }  # fmt: skip


def train(rows: DataFrame, k: int, config: ClassifierConfig) -> tuple[Pipeline, list[dict]]:
    """Train on the rows of `labelled`; return the model and its fits."""
    rng = np.random.default_rng(config.seed)
    held_back = rows.where("is_test").select("features", "cluster").collect()
    if not held_back:
        raise ValueError("test tracks must be at least one, got none; more tracks are needed")
    test = (np.array([r[0] for r in held_back]), np.array([r[1] for r in held_back]))
    passes = (batches(rows, config.batch_size, rng) for _ in range(config.epochs))
    return fit_stream(passes, test, np.arange(k), config)


def save(model: Pipeline, path: Path) -> None:
    """Save as skops, which runs no code when it is loaded."""
    skops.io.dump(model, path)


def load(path: str | Path) -> Pipeline:
    """Load what `save` wrote; only scikit-learn's own types are accepted."""
    return skops.io.load(path)


def predictor(path: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return features (n, d) -> clusters (n,), the model loaded once."""
    model = load(path)
    return lambda x: model.predict(x).astype(np.int32)


def fit_rows(model_id: str, preset: str, fits: list[dict]) -> list[tuple]:
    """Return rows of `classifier_fits`."""
    names = ("accuracy", "precision", "recall", "f1", "n")
    return [(model_id, preset, f["fit"], f["part"], *[f[n] for n in names]) for f in fits]
