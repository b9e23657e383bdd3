"""Architectures by name: building them, loading weights into them, and what they take and give.

*Conventions.* Every module has ``embedding_shape``, (d,) or (12, d) where the first axis is
transpositions, and ``sees_whole_track``: whether it takes a track of any length at once. The others see
crops, whose embeddings are averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from covers.models import legacy
from covers.models.cnn import Cnn
from covers.models.covernet import CoverNet, shape_like
from covers.models.cqtnet import CqtNet
from covers.models.resnet import ResNet18


@dataclass(frozen=True)
class Architecture:
    """How to build one, the features it takes, and the length of a crop [s] where it sees crops."""

    build: Callable[[], nn.Module]
    representation: str
    sees_whole_track: bool = False
    has_sequences: bool = False  # embeds segments and frames of a track beside the track
    crop_s: float = 10.0


ARCHITECTURES = {
    "covernet": Architecture(CoverNet, "chroma", sees_whole_track=True, has_sequences=True),
    "cqtnet": Architecture(CqtNet, "log_frequency", sees_whole_track=True),
    "cnn": Architecture(Cnn, "log_mel"),
    "resnet18_last_block": Architecture(lambda: ResNet18(last_block=True), "log_mel"),
    "resnet18_all": Architecture(lambda: ResNet18(last_block=False), "log_mel"),
}


def architecture(name: str) -> Architecture:
    """Return an architecture by name.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"architecture must be one of {tuple(ARCHITECTURES)}, got {name!r}")
    return ARCHITECTURES[name]


def build(name: str, *, init_weights: str | None = None, n_backbones: int = 1) -> nn.Module:
    """Return a new network with random weights, or with initial weights from a file.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`.
    init_weights : str, optional
        CoverNet: a .safetensors file of CoverNet weights. ResNet-18: a file of ImageNet weights, or
        ``imagenet`` to fetch them.
    n_backbones : int
        Of CoverNet.

    Raises
    ------
    ValueError
        If the name is unknown or the weights cannot be loaded.
    """
    found = architecture(name)
    if name == "covernet":
        return _continued(init_weights) if init_weights else CoverNet([32] * n_backbones)
    if name.startswith("resnet18"):
        return ResNet18(last_block=name == "resnet18_last_block", weights=init_weights)
    return found.build()


def with_weights(name: str, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a network that holds these weights, with the backbones that they have.

    Raises
    ------
    RuntimeError
        If they are those of another architecture.
    """
    weights = legacy.weights(weights)
    network = shape_like(weights) if name == "covernet" else build(name)
    network.load_state_dict(weights)
    return network


def _continued(path: str) -> nn.Module:
    """Return a CoverNet that a training continues from."""
    if not Path(path).is_file():
        raise ValueError(f"weights must be a .safetensors file, got {path!r}")
    try:
        return with_weights("covernet", load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"weights must be covernet's, got others in {path!r} ({str(error).splitlines()[0]})"
        ) from error


def embedding_shape(network: nn.Module) -> tuple[int, ...]:
    """Return the shape of a network's embedding: (d,), or (12, d) if it has transpositions."""
    shape = network.embedding_shape
    if not isinstance(shape, tuple):
        raise TypeError(f"network must have an embedding_shape, got {shape!r}")
    return shape


def n_transpositions_of(network: nn.Module) -> int:
    """Return how many transpositions two of a network's embeddings are compared at: 12 or 1."""
    shape = embedding_shape(network)
    return shape[0] if len(shape) == 2 else 1
