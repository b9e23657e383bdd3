"""Overfitting checks of the cluster classifier, on a sample of tracks.

*Conventions.* Every check is a training of its own with the preset's settings, ten passes in
batches, evaluated on its training tracks (``train``) and on held-out tracks (``test``):

``own_split``       tracks are held out by a hash of track_id
``artist_disjoint`` tracks are held out by artist
``permuted_labels`` the labels are permuted at random: a model that memorizes keeps a high train
                    accuracy, one that cannot falls to ``majority``, the largest cluster
``learning_N``      own_split with only the first N training tracks

``nearest_center`` is the accuracy of the k-means centres themselves: the labels are a function of
the same features, the largest of k linear scores. A linear classifier can represent exactly that.

References
----------
The write-up: "It is possible that overfitting could be at play." Ojala, Garriga. "Permutation
tests for studying classifier performance." JMLR 2010.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from covers.catalog.classifier import ClassifierConfig, confusion, fit_stream, scores
from covers.catalog.stream import Batch, batches

PASSES = 10
SIZES = (500, 1_000, 2_000, 4_000, 8_000)


@dataclass(frozen=True)
class Check:
    """Accuracy on training tracks and on held-out tracks; None where there are none."""

    name: str
    train: float | None
    test: float | None
    n_train: int
    n_test: int


@dataclass(frozen=True)
class Sample:
    """Labelled tracks: features (n, d), cluster (n,), and two numbers in [0, 1) to split by."""

    x: np.ndarray
    y: np.ndarray
    by_track: np.ndarray
    by_artist: np.ndarray


def run_checks(data: Sample, centers: np.ndarray, config: ClassifierConfig) -> list[Check]:
    """Return all checks but those without a training track or a held-out one."""
    k, rng = len(centers), np.random.default_rng(config.seed)
    own = (data.x, data.y)
    permuted = rng.permutation(data.y)
    held_out = data.by_track < config.test_share
    n_train = int((~held_out).sum())
    found = [
        _check("own_split", own, held_out, k, config),
        _check("artist_disjoint", own, data.by_artist < config.test_share, k, config),
        _check("permuted_labels", (data.x, permuted), held_out, k, config),
    ]
    for size in (n for n in SIZES if n < n_train):
        found.append(_check(f"learning_{size}", own, held_out, k, config, first=size))
    square = ((data.x[:, None] - centers[None]) ** 2).sum(axis=2)
    by_center = float((square.argmin(axis=1) == data.y).mean())
    majority = float(np.bincount(data.y, minlength=k).max() / len(data.y))
    found += [
        Check("nearest_center", None, by_center, 0, len(data.y)),
        Check("majority", None, majority, 0, len(data.y)),
    ]
    return [check for check in found if check is not None]


def _check(
    name: str, rows: Batch, held_out: np.ndarray, k: int, config: ClassifierConfig,
    first: int | None = None,
) -> Check | None:  # fmt: skip
    train: Batch = (rows[0][~held_out][:first], rows[1][~held_out][:first])
    test: Batch = (rows[0][held_out], rows[1][held_out])
    if not len(train[1]) or not len(test[1]):
        return None
    rng = np.random.default_rng(config.seed)
    passes = [batches([train], config.batch_size, rng) for _ in range(PASSES)]
    model, _ = fit_stream(passes, (test[0][:1], test[1][:1]), k, config)
    on_train, on_test = (
        scores(confusion(model.predict(x), y, k))["accuracy"] for x, y in (train, test)
    )
    return Check(name, on_train, on_test, len(train[1]), len(test[1]))


def evaluation_rows(model_id: str, which: dict, found: list[Check]) -> list[tuple]:
    """Return rows of `evaluations`: accuracy on train and test of every check."""
    return [
        (
            f"{model_id}/overfitting", f"clusters of {which['cluster_model_id']}", "overfitting", model_id,
            f"{check.name}_{part}", value, None, None, n,
        )
        for check in found
        for part, value, n in (
            ("train", check.train, check.n_train), ("test", check.test, check.n_test),
        )
        if value is not None
    ]  # fmt: skip


def list_checks(found: list[Check]) -> list[dict]:
    """Return the checks for a summary: a dict each."""
    return [
        {
            "check": c.name, "n_train": c.n_train, "train_accuracy": c.train,
            "test_accuracy": c.test,
        }
        for c in found
    ]  # fmt: skip
