"""The card of a cluster classifier: what it is, what it learnt, what it is worth."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline
from skops.card import Card

from lib.io import files

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


def write(model: Pipeline, facts: Facts, model_uri: str) -> str:
    """Write README.md beside the model's file; return its URI."""
    uri = f"{model_uri.rsplit('/', 1)[0]}/README.md"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "README.md"
        path.write_text(render(model, facts))
        files.put(path, uri)
    return uri


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
        table = pd.DataFrame(rows).round(4).astype(object).fillna("")
        card.add_table(folded=False, **{heading: table.to_dict("list")})
    return card.render()
