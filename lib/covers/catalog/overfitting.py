"""Does the cluster classifier overfit? Four answers, on a sample that the driver holds.

*Conventions.* Every check is a training of its own with the preset's settings, ten passes in
batches, judged on the tracks it learnt (``train``) and on tracks held back (``test``):

``own_split``       tracks are held back by a hash of track_id
``artist_disjoint`` all tracks of a held-back artist are held back
``permuted_labels`` the labels are dealt anew at random: a model that learns by heart keeps a high
                    train accuracy, one that cannot falls to ``majority``, the largest cluster
``learning_N``      own_split with only the first N tracks learnt

``nearest_center`` is the share of labels that the k-means centres say at once: the labels are a
function of the very features, k linear scores of which the largest wins. A linear classifier can
hold exactly that, and nothing more.

References
----------
The write-up: "It is possible that overfitting could be at play." Ojala, Garriga. "Permutation
tests for studying classifier performance." JMLR 2010.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame

from covers.catalog.classifier import (  # fmt: skip
    Batch,
    ClassifierConfig,
    batches,
    confusion,
    fit_stream,
    hashed,
    scores,
)

SAMPLE = 20_000
PASSES = 10
SIZES = (500, 1_000, 2_000, 4_000, 8_000)


@dataclass(frozen=True)
class Check:
    """Accuracy on what was learnt and on what was held back; ``None`` where there is nothing."""

    name: str
    train: float | None
    test: float | None
    n_train: int
    n_test: int


@dataclass(frozen=True)
class Sample:
    """Labelled tracks: features (n, d), cluster (n,), and two numbers from 0 to 1 that split."""

    x: np.ndarray
    y: np.ndarray
    by_track: np.ndarray
    by_artist: np.ndarray


def sampled(rows: DataFrame, tracks: DataFrame, config: ClassifierConfig) -> Sample:
    """Return at most about SAMPLE tracks; takes `labelled` rows and `tracks` rows."""
    share = min(1.0, SAMPLE / max(rows.count(), 1))
    some = rows.where(hashed("track_id", config.seed + 1) < share)
    named = some.join(tracks.select("track_id", "artist"), "track_id").select(
        "features", "cluster", "bucket", hashed("artist", config.seed), "track_id"
    )
    held = sorted(named.collect(), key=lambda r: r[4])
    x = np.array([r[0] for r in held]).reshape(len(held), -1)
    y, by_track, by_artist = (np.array([r[i] for r in held]) for i in (1, 2, 3))
    return Sample(x, y.astype(np.int32), by_track, by_artist)


def checks(data: Sample, centers: np.ndarray, config: ClassifierConfig) -> list[Check]:
    """Return all checks; those without a track to learn or to hold back are left out."""
    k, rng = len(centers), np.random.default_rng(config.seed)
    own = (data.x, data.y)
    permuted = rng.permutation(data.y)
    held_back = data.by_track < config.test_share
    n_train = int((~held_back).sum())
    found = [
        _check("own_split", own, held_back, k, config),
        _check("artist_disjoint", own, data.by_artist < config.test_share, k, config),
        _check("permuted_labels", (data.x, permuted), held_back, k, config),
    ]
    for size in (n for n in SIZES if n < n_train):
        found.append(_check(f"learning_{size}", own, held_back, k, config, first=size))
    square = ((data.x[:, None] - centers[None]) ** 2).sum(axis=2)
    said = float((square.argmin(axis=1) == data.y).mean())
    majority = float(np.bincount(data.y, minlength=k).max() / len(data.y))
    found += [
        Check("nearest_center", None, said, 0, len(data.y)),
        Check("majority", None, majority, 0, len(data.y)),
    ]
    return [check for check in found if check is not None]


def _check(
    name: str, rows: Batch, held_back: np.ndarray, k: int, config: ClassifierConfig,
    first: int | None = None,
) -> Check | None:  # fmt: skip
    learnt: Batch = (rows[0][~held_back][:first], rows[1][~held_back][:first])
    test: Batch = (rows[0][held_back], rows[1][held_back])
    if not len(learnt[1]) or not len(test[1]):
        return None
    rng = np.random.default_rng(config.seed)
    passes = [batches([learnt], config.batch_size, rng) for _ in range(PASSES)]
    model, _ = fit_stream(passes, (test[0][:1], test[1][:1]), k, config)
    train, held = (scores(confusion(model.predict(a), b, k))["accuracy"] for a, b in (learnt, test))
    return Check(name, train, held, len(learnt[1]), len(test[1]))


def evaluation_rows(model_id: str, which: dict, found: list[Check]) -> list[tuple]:
    """Return rows of `evaluations`: accuracy on train and test of every check."""
    return [
        (
            f"{model_id}/overfitting", f"clusters of {which['cluster_model_id']}", "does it overfit", model_id,
            f"{check.name}_{part}", value, None, None, n,
        )
        for check in found
        for part, value, n in (
            ("train", check.train, check.n_train), ("test", check.test, check.n_test),
        )
        if value is not None
    ]  # fmt: skip


def listed(found: list[Check]) -> list[dict]:
    """Return the checks as a listing of a summary."""
    return [
        {
            "check": c.name, "tracks learnt": c.n_train, "accuracy on them": c.train,
            "accuracy held back": c.test,
        }
        for c in found
    ]  # fmt: skip
