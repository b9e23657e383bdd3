"""The model card of a cluster classifier: use, labels, settings, metrics, overfitting checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline
from skops.card import Card

USE = (
    "Gives a track one of the clusters of `{cluster_model_id}` by its features (encoding "
    "`{encoding}`, scaled by that cluster model's scaler). From Python: "
    "`skops.io.load('classifier.skops').predict(features)`."
)
LABELS = (
    "The labels are the nearest centres of a k-means on the same features: a function of the "
    "input, not annotations by listeners. A high accuracy shows that the function was learnt."
)


@dataclass(frozen=True)
class CardContents:
    """Settings, metrics on held-out tracks, and the overfitting checks."""

    model_id: str
    settings: dict[str, Any]
    result: dict[str, Any]
    checks: list[dict[str, Any]]


def render(model: Pipeline, contents: CardContents) -> str:
    """Return the card as markdown."""
    card = Card(model, template=None, model_diagram=False)
    title = f"Cluster classifier {contents.model_id}"
    card.add(**{title: USE.format(**contents.settings), "What the labels are": LABELS})
    tables = {
        "Settings": [{"setting": k, "value": v} for k, v in contents.settings.items()],
        "On held-out tracks": [contents.result],
        "Overfitting checks": contents.checks,
    }
    for heading, rows in tables.items():
        table = pd.DataFrame(rows).round(4).astype(object)
        table = table.where(table.notna(), "")
        card.add_table(folded=False, **{heading: table.to_dict("list")})
    return card.render()
