"""The registry of models: a file of the lake, its hash, and its row in table `models`.

Ids are `covers.io.files.content_id` of a kind and of what the model was made from.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from covers.errors import InputError
from covers.io import files
from covers.io.lake import Lake
from covers.schemas.models import MODELS


@dataclass(frozen=True)
class ModelRecord:
    """One fitted model: its file's local path, its settings and metrics.

    ``purpose`` is ``use`` or ``comparison``; the latter is never the newest model.
    """

    model_id: str
    kind: str
    path: str
    config: dict[str, Any]
    metrics: dict[str, Any]
    purpose: str = "use"


def register(lake: Lake, model: ModelRecord) -> str:
    """Copy the file into the lake and write its row; return its URI."""
    uri = f"{lake.files}/models/{model.model_id}/{Path(model.path).name}"
    sha256 = files.put(model.path, uri)
    row = (
        model.model_id, model.kind, model.purpose, uri, sha256,
        json.dumps(model.config, sort_keys=True), json.dumps(model.metrics, sort_keys=True),
        json.dumps(lake.inputs, sort_keys=True), datetime.now(UTC),
    )  # fmt: skip
    lake.upsert_rows([row], MODELS)
    return uri


def find(lake: Lake, model_id: str) -> ModelRecord:
    """Return the model of this id, its file checked against its hash.

    Raises
    ------
    InputError
        If the id is unknown, or the file is not what was registered.
    """
    rows = lake.read(MODELS).where(F.col("model_id") == model_id).collect()
    if not rows:
        ids = [r[0] for r in lake.read(MODELS).select("model_id").limit(20).collect()]
        raise InputError(f"model must be one of {ids}, got {model_id!r}")
    row = rows[0]
    path = files.local_copy(row["uri"])
    if not Path(path).exists() or files.sha256_of(path) != row["sha256"]:
        raise InputError(
            f"file of model {model_id} must have SHA-256 {row['sha256']}, got another at "
            f"{row['uri']}; train it again"
        )
    return ModelRecord(
        model_id, row["kind"], path, json.loads(row["config"]), json.loads(row["metrics"])
    )


def newest(lake: Lake, kind: str, model_id: str | None = None) -> ModelRecord:
    """Return the model of this id, or the one of this kind and for use that was registered last.

    Raises
    ------
    InputError
        If there is none.
    """
    if model_id:
        return find(lake, model_id)
    rows = lake.read(MODELS).where((F.col("kind") == kind) & (F.col("purpose") == "use"))
    row = rows.orderBy(F.desc("trained_at"), "model_id").select("model_id").head()
    if row is None:
        raise InputError(f"a model of kind {kind} must be registered, got none; train one first")
    return find(lake, row[0])


def has(lake: Lake, kind: str) -> bool:
    """Return whether a model of this kind and for use is registered."""
    if not lake.exists(MODELS):
        return False
    rows = lake.read(MODELS).where((F.col("kind") == kind) & (F.col("purpose") == "use"))
    return not rows.isEmpty()


def register_json(lake: Lake, model_id: str, kind: str, content: dict) -> None:
    """Register a model that is all numbers, as a JSON file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{kind}.json"
        path.write_text(json.dumps(content, sort_keys=True))
        register(lake, ModelRecord(model_id, kind, str(path), content, {}))
