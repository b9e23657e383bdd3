"""The card of a cluster classifier: what it is, what it learnt, what it is worth."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline
from skops.card import Card

from covers.catalog.classifier import save
from covers.io import files
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, register

USE = (
    "Gives a track one of the clusters of `{cluster_model_id}` by its features (encoding "
    "`{encoding}`, scaled by that cluster model's scaler). From Python: "
    "`skops.io.load('classifier.skops').predict(features)`."
)
LABELS = (
    "The labels are the nearest centres of a k-means on the same features: a function of the "
    "input, not something that listeners said. High figures show that the function was learnt."
)


@dataclass(frozen=True)
class Facts:
    """What a card tells: settings, figures on held-back tracks, and the checks."""

    model_id: str
    settings: dict[str, Any]
    result: dict[str, Any]
    checks: list[dict[str, Any]]


def keep(lake: Lake, model: Pipeline, facts: Facts) -> None:
    """Register the model in the lake, and write its card, README.md, beside its file."""
    with tempfile.TemporaryDirectory() as folder:
        path, page = Path(folder) / "classifier.skops", Path(folder) / "README.md"
        save(model, path)
        page.write_text(render(model, facts))
        uri = register(
            lake, ModelRecord(facts.model_id, "classifier", str(path), facts.settings, facts.result)
        )
        files.put(page, f"{uri.rsplit('/', 1)[0]}/README.md")


def render(model: Pipeline, facts: Facts) -> str:
    """Return the card as markdown."""
    card = Card(model, template=None, model_diagram=False)
    title = f"Cluster classifier {facts.model_id}"
    card.add(**{title: USE.format(**facts.settings), "What the labels are": LABELS})
    tables = {
        "Settings": [{"setting": k, "value": v} for k, v in facts.settings.items()],
        "On tracks held back": [facts.result],
        "Does it overfit?": facts.checks,
    }
    for heading, rows in tables.items():
        table = pd.DataFrame(rows).round(4).astype(object)
        table = table.where(table.notna(), "")
        card.add_table(folded=False, **{heading: table.to_dict("list")})
    return card.render()
