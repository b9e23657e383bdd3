"""Models by name, of the lake or stand-alone."""

from __future__ import annotations

from pathlib import Path

from covers.errors import InputError
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, find, newest
from covers.models.card import card_from_dict
from covers.models.factory import ARCHITECTURES
from covers.models.model import EmbeddingModel, is_stand_alone, load_stand_alone
from covers.schemas.models import MODELS
from covers.schemas.table import Table


def tables_of(name: str) -> tuple[Table, ...]:
    """Return the tables that hold the model that ``--model`` names; a stand-alone one needs none."""
    return () if is_stand_alone(name) else (MODELS,)


def resolve(lake: Lake | None, name: str) -> EmbeddingModel:
    """Return the model that ``--model`` names: shipped, untrained, a file, latest, or an id.

    ``latest`` is the CoverNet for use that was registered last.

    Raises
    ------
    InputError
        If there is no such model, or it is not a network.
    """
    if is_stand_alone(name) or lake is None:
        return load_stand_alone(name)
    record = newest(lake, "covernet") if name == "latest" else find(lake, name)
    if record.kind not in ARCHITECTURES:
        raise InputError(
            f"model must be a network ({', '.join(ARCHITECTURES)}), got {name!r} of kind {record.kind}"
        )
    return from_record(record)


def from_record(record: ModelRecord) -> EmbeddingModel:
    """Return the model of a row of `models`."""
    card = card_from_dict(record.config)
    return EmbeddingModel(record.model_id, Path(record.path).read_bytes(), card)
