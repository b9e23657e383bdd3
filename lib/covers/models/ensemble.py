"""Covernets that were trained apart, as one: their backbones side by side under a whitened head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pyspark.sql import functions as F

from covers.audio import quantize, spectrograms_table
from covers.errors import InputError
from covers.io.lake import Lake
from covers.models.networks import CoverNet, join_backbones
from covers.models.registry import Network
from covers.models.whitening import whiten
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.training.config import PRESETS
from covers.training.dataset import crop


def crops(lake: Lake, seconds: float, n: int, seed: int) -> np.ndarray:
    """Return crops (n, 36, T) of as many recordings of split train, drawn by the seed.

    Raises
    ------
    InputError
        If there is none.
    """
    train = lake.read(RECORDINGS).where("split = 'train'").select("recording_id")
    chroma = spectrograms_table.select_parameters(lake.read(SPECTROGRAMS), "chroma")
    drawn = F.xxhash64("recording_id", "segment", F.lit(seed))
    rows = chroma.join(train, "recording_id", "left_semi").orderBy(drawn, "recording_id").limit(n)
    rng, made = np.random.default_rng(seed), []
    for row in rows.toLocalIterator():
        n_frames = max(1, round(seconds * row["frames_per_second"]))
        made.append(crop(quantize.tensor_of_row(row), n_frames, rng))
    if not made:
        raise InputError(
            "recordings of split train must have spectrograms to whiten by, got none; run "
            "decode_audio or synthesize_versions --form direct"
        )
    return np.stack(made)


def config_of(networks: Sequence[Network]) -> dict[str, Any]:
    """Return the settings of the joined network: not what a part's card says of its distances."""
    crop_s = networks[0].config["crop_s"]
    parts = [network.model_id for network in networks]
    return PRESETS["covernet"].to_dict() | {"crop_s": crop_s, "joined": parts}


def joined(networks: Sequence[Network], crops: np.ndarray) -> CoverNet:
    """Return the networks' backbones under one head, whitened by crops (n, 36, T).

    Raises
    ------
    InputError
        If one of them is no covernet.
    """
    nets = []
    for network in networks:
        net = network.net
        if not isinstance(net, CoverNet):
            raise InputError(
                f"models to join must be covernets, got {network.model_id!r} of kind "
                f"{network.config['network']}"
            )
        nets.append(net)
    together = join_backbones(nets).eval()
    whiten(together, torch.from_numpy(crops).split(64))
    return together
