"""An SGD classifier that learns the clusters batch by batch, evaluated after every batch.

*Conventions.* The test set is split off by a hash of track_id and never fitted. A preset
sets how the catalogue is split, the number of passes, and the order of batches; the catalogue's
order is that of track_id.

References
----------
The write-up, notebooks "IterativeLearning_3clusters" (hinge loss, batches of 500, 10 epochs) and
"BatchTraining_SGD_3clusters_savedmodels" (four models, saved after one to four quarters).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from covers.catalog.stream import Batch

METRICS = ("accuracy", "precision", "recall", "f1")


@dataclass(frozen=True)
class ClassifierConfig:
    """The write-up's settings; ``test_share`` of tracks is held out.

    The catalogue is cut into ``n_sections`` consecutive sections, of which the first ``n_trained``
    are trained on, one after the other: the first in ``first_epochs`` passes, the others in ``epochs``.
    """

    preset: str = "iterative"
    n_sections: int = 1
    n_trained: int = 1
    first_epochs: int = 10
    epochs: int = 10
    is_shuffled: bool = False
    batch_size: int = 500
    test_share: float = 0.2
    seed: int = 123
    alpha: float = 1e-4
    eta0: float = 0.01


def _quarters(n_trained: int) -> ClassifierConfig:
    return ClassifierConfig(
        f"quarters-{n_trained}",
        n_sections=4,
        n_trained=n_trained,
        first_epochs=30,
        epochs=3,
        test_share=0.25,
    )


PRESETS = {
    config.preset: config
    for config in (
        ClassifierConfig(),
        ClassifierConfig("shuffled", is_shuffled=True),
        *[_quarters(n) for n in (1, 2, 3, 4)],
    )
}


def config_of(preset: str, *, epochs: int | None, seed: int) -> ClassifierConfig:
    """Return a preset with this seed and, where given, this number of passes over each section."""
    found = replace(PRESETS[preset], seed=seed)
    return replace(found, first_epochs=epochs, epochs=epochs) if epochs else found


def fit_stream(
    passes: Iterable[Iterable[Batch]], test: Batch, k: int, config: ClassifierConfig
) -> tuple[Pipeline, pd.DataFrame]:
    """Fit batch after batch; return the model and the metrics after every fit.

    Parameters
    ----------
    passes : iterable of iterables of (x, y)
        One inner iterable an epoch; x of shape (n, d) float64, y of shape (n,) int. The scaler is
        fitted in the first: one model, one scaling.
    test : (x, y)
        Evaluated after every fit, never fitted.
    k : int
        Number of clusters.

    Returns
    -------
    Pipeline, pd.DataFrame
        The second with columns fit, part (train: the batch just fitted, or test), accuracy,
        precision, recall, f1, n.

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
    pipeline = make_pipeline(scaler, model)
    tables, n_fits = [], 0
    for epoch, stream in enumerate(passes):
        rows = []
        for x, y in stream:
            if epoch == 0:
                scaler.partial_fit(x)
            model.partial_fit(scaler.transform(x), y, classes=np.arange(k))
            n_fits += 1
            for is_test, (inputs, truth) in enumerate(((x, y), test)):
                values = scores(confusion(pipeline.predict(inputs), truth, k))
                rows.append((n_fits, is_test, *values.values(), len(truth)))
        tables.append(np.array(rows).reshape(-1, 7))  # as dicts they would outgrow the catalogue
    if not n_fits:
        raise ValueError("tracks must fill at least one batch, got none")
    fits = pd.DataFrame(np.concatenate(tables), columns=["fit", "part", *METRICS, "n"])
    fits["part"] = np.where(fits["part"] > 0, "test", "train")
    return pipeline, fits.astype({"fit": "int32", "n": "int64"})


def confusion(predicted: np.ndarray, truth: np.ndarray, k: int) -> np.ndarray:
    """Return counts of shape (k, k): truth by predicted."""
    return np.bincount(truth * k + predicted, minlength=k * k).reshape(k, k)


def scores(counts: np.ndarray) -> dict[str, float]:
    """Return accuracy and weighted precision, recall and F1 of a `confusion`.

    As scikit-learn's with zero_division=0, in a twentieth of its time: it runs after every fit.
    """
    correct, actual, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = correct / np.maximum(predicted, 1), correct / np.maximum(actual, 1)
    f1 = 2 * correct / np.maximum(predicted + actual, 1)
    weights = actual / max(actual.sum(), 1)
    values = [
        correct.sum() / max(actual.sum(), 1),
        weights @ precision,
        weights @ recall,
        weights @ f1,
    ]
    return dict(zip(METRICS, map(float, values), strict=True))


def save(model: Pipeline, path: Path) -> None:
    """Save as skops, which runs no code when it is loaded."""
    skops.io.dump(model, path)


def load(path: str | Path) -> Pipeline:
    """Load what `save` wrote; only scikit-learn's own types are accepted."""
    return skops.io.load(path)


def fit_rows(model_id: str, preset: str, fits: pd.DataFrame) -> Iterator[tuple]:
    """Return rows of `classifier_fits`."""
    columns = ["model_id", "preset", "fit", "part", *METRICS, "n"]
    table = fits.assign(model_id=model_id, preset=preset)[columns]
    return table.itertuples(index=False, name=None)
