"""Ensembles of CoverNets that were trained apart: their backbones under one whitened head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from covers.errors import InputError
from covers.models.covernet import CoverNet, join_backbones
from covers.models.model import EmbeddingModel


def build_ensemble(models: Sequence[EmbeddingModel], crops: np.ndarray) -> CoverNet:
    """Return the models' backbones under one head, whitened by crops.

    Parameters
    ----------
    models : sequence of EmbeddingModel
    crops : np.ndarray, shape (n, 36, T), float32
        Chroma of training recordings.

    Raises
    ------
    InputError
        If a model is not a CoverNet.
    """
    networks = []
    for model in models:
        module = model.module
        if not isinstance(module, CoverNet):
            raise InputError(
                f"models of an ensemble must be covernets, got {model.model_id!r} of architecture "
                f"{model.card.architecture}"
            )
        networks.append(module)
    ensemble = join_backbones(networks).eval()
    ensemble.whiten_head(torch.from_numpy(crops).split(64))
    return ensemble


def ensemble_config(models: Sequence[EmbeddingModel]) -> dict[str, Any]:
    """Return the card of an ensemble. Windows and calibration of its members do not hold for it."""
    return {
        "architecture": "covernet",
        "representation": "chroma",
        "crop_s": models[0].card.crop_s,
        "ensemble_of": [model.model_id for model in models],
    }
