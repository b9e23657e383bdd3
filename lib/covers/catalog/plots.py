"""Plots of the catalogue: the clusters, the choice of k, the training of the models.

*Conventions.* Functions take plain values and return a Matplotlib figure; `save` writes it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from covers.io import files

KEYS = ("?", "C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")


def save(figure: Figure | None, uri: str | None) -> None:
    """Write a figure as PNG to any URI; do nothing where either is missing."""
    if figure is None or uri is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (os.path.basename(uri) or "plot.png")
        figure.savefig(path, dpi=90, format="png")
        files.put(path, uri)


def cluster_map(maps: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw each sample of `kmeans_table.map_sample`: left its plane of largest variance, right its keys."""
    figure = Figure(figsize=(10, 3.6 * len(maps)), layout="constrained")
    plots = figure.subplots(len(maps), 2, squeeze=False, width_ratios=(1, 1.2))
    for (title, tracks), (plane, bars) in zip(maps.items(), plots, strict=True):
        x = np.stack(tracks["features"].to_list())
        x = x - x.mean(axis=0)
        across = x @ np.linalg.svd(x, full_matrices=False)[2][:2].T
        keys, clusters = tracks["key"].to_numpy(int), tracks["cluster"].to_numpy(int)
        below = np.zeros(len(KEYS))
        for cluster in range(clusters.max() + 1):
            members, color = clusters == cluster, _COLORS[cluster % len(_COLORS)]
            plane.scatter(*across[members].T, s=3, color=color, label=str(cluster), linewidths=0)
            counts = np.bincount(keys[members] + 1, minlength=len(KEYS))
            bars.bar(range(len(KEYS)), counts, bottom=below, color=color)
            below += counts
        plane.set_title(title, loc="left")
        plane.set_xlabel("first and second principal component of the features")
        plane.legend(title="cluster", markerscale=4)
        bars.set_xticks(range(len(KEYS)), KEYS)
        bars.set_title("keys of the clusters' tracks", loc="left")
        bars.set_ylim(0, 1.05 * below.max())
    return figure


def k_choice(trials: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw silhouette and stability by k; takes the trials of `kmeans_table.choose_k`."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for measure, color in zip(("silhouette", "stability"), _COLORS, strict=False):
        axes.plot([t["k"] for t in trials], [t[measure] for t in trials], "o-", color=color,
                  label=measure)  # fmt: skip
    axes.set_xticks([t["k"] for t in trials])
    axes.set_xlabel("k")
    axes.set_ylim(0, 1.05)
    axes.legend()
    return figure


def importance(shares: Mapping[str, float]) -> Figure:
    """Draw each attribute's share of the trees' gain, the largest on top."""
    figure = Figure(figsize=(5, 2.4), layout="constrained")
    axes = figure.subplots()
    ranked = sorted(shares.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ranked], [share for _, share in ranked], color=_COLORS[0])
    axes.set_xlabel("share of the gain")
    return figure


def fits(table: pd.DataFrame) -> Figure:
    """Draw accuracy and F1 after every fit, on its batch and on held-out tracks."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, measure in zip(panels, ("accuracy", "f1"), strict=True):
        for split, color in (("train", "#bbbbbb"), ("test", _COLORS[0])):
            rows = table[table["part"] == split].sort_values("fit")
            label = "batch just fitted" if split == "train" else "held out"
            axes.plot(rows["fit"], rows[measure], color=color, lw=1, label=label)
        axes.set_xlabel("fit")
        axes.set_title(measure, loc="left")
    panels[0].legend(loc="lower right")
    return figure


def overfitting(checks: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the learning curve and the other checks; takes `overfitting.list_checks`."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    curve, bars = figure.subplots(1, 2, width_ratios=(1.2, 1))
    learning = [
        c for c in checks if c["check"].startswith("learning_") or c["check"] == "own_split"
    ]
    learning.sort(key=lambda c: c["n_train"])
    other = [c for c in checks if c not in learning or c["check"] == "own_split"]
    for measure, color in (("train_accuracy", "#bbbbbb"), ("test_accuracy", _COLORS[0])):
        curve.plot([c["n_train"] for c in learning], [c[measure] for c in learning], "o-",
                   color=color, label=measure.replace("_", " "))  # fmt: skip
        shift = -0.2 if color == "#bbbbbb" else 0.2
        values = [c[measure] or 0.0 for c in other]
        bars.barh(np.arange(len(other)) + shift, values, height=0.4, color=color)
    curve.set_xscale("log")
    curve.set_xlabel("training tracks")
    curve.legend(loc="lower right")
    bars.set_yticks(range(len(other)), [c["check"].replace("_", " ") for c in other])
    bars.invert_yaxis()
    bars.set_xlabel("accuracy")
    return figure
