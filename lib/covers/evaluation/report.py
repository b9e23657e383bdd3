"""The report: one HTML file, readable offline, for people who did not build the system."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from covers.evaluation import metrics
from covers.evaluation.leaderboard import NAMES, Results
from covers.io.files import atomic_write
from covers.retrieval.search import clock

mpl.rcParams.update(
    {"svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
)


@dataclass(frozen=True)
class Report:
    """What the page shows."""

    title: str
    question: str
    answer: str
    results: Results
    distances: dict[str, np.ndarray]
    works: np.ndarray
    false_positives: list[dict]
    epochs: list[dict] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    coverage: list[dict] = field(default_factory=list)
    reliability: list[dict[str, float]] = field(default_factory=list)


def verdict(results: Results, system: str = "search") -> str:
    """Return the answer in a few plain sentences, from the metrics alone."""
    own, chance = results[system]["map"], results["chance"]["map"]["value"]
    accuracy = results[system]["triplet_accuracy"]["value"]
    lines = [
        f"A search ranks the covers with a mean average precision of {own['value']:.3f} "
        f"({own['low']:.3f} to {own['high']:.3f}); a random order has {chance:.3f}. Given a recording, a "
        f"cover of it and another song, the cover is ranked first {accuracy:.1%} of the time (chance: 50%)."
    ]
    named = ("shipped", "untrained", "raw_features", "fourier2d", "qmax", "qmax_s_norm")
    others = {s: results[s]["map"]["value"] for s in named if s in results}
    behind = [NAMES[s] for s, value in others.items() if own["low"] > value]
    ahead = [NAMES[s] for s, value in others.items() if value > own["value"]]
    if behind:
        lines.append(f"Its interval lies above: {'; '.join(behind)}.")
    if ahead:
        lines.append(f"Ahead of it: {'; '.join(ahead)}.")
    return " ".join(lines)


def write(report: Report, path: Path) -> Path:
    """Write the page, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    template = jinja2.Environment(autoescape=True).from_string(
        resources.files("covers.evaluation").joinpath("report.html.j2").read_text()
    )
    order = sorted(report.results, key=lambda s: -report.results[s]["map"]["value"])
    page = template.render(
        report=report, order=order, names=NAMES, facts=report.facts,
        leaderboard=_svg(_leaderboard(report.results, order)),
        histogram=_svg(_histogram(report)), roc=_svg(_roc(report)),
        curves=_svg(_curves(report.epochs)) if report.epochs else "",
        reliable=_svg(_reliability(report.reliability)) if report.reliability else "",
        values=json.dumps(report.results, indent=1), clock=clock,
    )  # fmt: skip
    with atomic_write(path) as part:
        part.write_text(page)
    return path


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    none = dict.fromkeys(("Date", "Type", "Format", "Creator"))  # nor addresses: the page is whole
    figure.savefig(out, format="svg", bbox_inches="tight", metadata=none)
    text = out.getvalue()
    return text[text.index("<svg") :]


def _leaderboard(result: dict, order: list[str]) -> Figure:
    figure = Figure(figsize=(7, 0.5 * len(order) + 0.8))
    axes = figure.subplots()
    for y, system in enumerate(reversed(order)):
        f = result[system]["map"]
        colour = "#1b6ca8" if system == "search" else "#9aa5b1"
        axes.barh(y, f["value"], color=colour, height=0.6)
        axes.plot([f["low"], f["high"]], [y, y], color="#222", lw=1.5)
        axes.text(min(f["high"] + 0.015, 1.02), y, f"{f['value']:.3f}", va="center")
    axes.set_yticks(range(len(order)), [NAMES.get(s, s) for s in reversed(order)])
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("mean average precision (bar), 95% interval over works (line)")
    return figure


def _histogram(report: Report) -> Figure:
    d, is_cover = metrics.all_pairs(report.distances["search"], report.works)
    figure = Figure(figsize=(7, 2.8))
    axes = figure.subplots()
    bins = np.linspace(d.min(), d.max(), 50).tolist()
    axes.hist(d[~is_cover], bins, density=True, alpha=0.6, color="#9aa5b1", label="non-covers")
    axes.hist(d[is_cover], bins, density=True, alpha=0.7, color="#1b6ca8", label="covers")
    axes.axvline(d.mean(), color="#222", ls=":", label="mean (the write-up's threshold)")
    axes.set(
        xlabel="score of a search, smaller is better",
        ylabel="density",
        yticks=[],
    )
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure


def _roc(report: Report) -> Figure:
    figure = Figure(figsize=(4.2, 3.6))
    axes = figure.subplots()
    for system, distances in report.distances.items():
        d, is_cover = metrics.all_pairs(distances, report.works)
        false, true, _ = roc_curve(is_cover, -d)
        axes.plot(false, true, lw=2.2 if system == "search" else 1, label=NAMES.get(system, system))
    axes.plot([0, 1], [0, 1], color="#ccc", ls=":")
    axes.set(xlabel="false-positive rate", ylabel="recall")
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _reliability(bins: list[dict[str, float]]) -> Figure:
    figure = Figure(figsize=(3.6, 3.2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#ccc", ls=":")
    predicted, observed = ([b[name] for b in bins] for name in ("predicted", "observed"))
    axes.plot(predicted, observed, "o-", color="#1b6ca8")
    axes.set(xlabel="predicted probability", ylabel="share of covers")
    return figure


def _curves(epochs: list[dict]) -> Figure:
    figure = Figure(figsize=(7, 2.6))
    left, right = figure.subplots(1, 2)
    x = [e["epoch"] for e in epochs]
    left.plot(x, [e["loss"] for e in epochs], color="#1b6ca8", label="training")
    left.plot(x, [e["validation_loss"] for e in epochs], color="#e07b39", label="validation")
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(frameon=False)
    right.plot(x, [e["validation_nn_accuracy"] for e in epochs], color="#e07b39")
    right.set(xlabel="epoch", ylabel="validation triplet accuracy", ylim=(0, 1.02))
    figure.tight_layout()
    return figure
