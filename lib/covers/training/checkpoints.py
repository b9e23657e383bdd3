"""Checkpoints: written atomically, with a checksum; the newest valid one is loaded.

*Conventions.* ``epoch-0003.safetensors`` holds the weights after epoch 3, and as metadata the SHA-256
of its companion ``epoch-0003.pt`` (the optimizer's state and each rank's own) and the metrics so far;
``epoch-0004-step-000200`` holds the same after 200 steps of epoch 4.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from covers.io.files import atomic_write


@dataclass(frozen=True)
class CheckpointConfig:
    """Where checkpoints are, whether to resume from the newest, and how often to write one.

    ``every_steps`` 0 writes one at the end of each epoch alone.
    """

    folder: Path
    resume: bool = False
    every_steps: int = 0

    def is_due(self, n_steps: int) -> bool:
        """Return whether to write a checkpoint after so many steps of an epoch."""
        return self.every_steps > 0 and n_steps % self.every_steps == 0


@dataclass(frozen=True)
class Checkpoint:
    """What training needs to resume.

    Parameters
    ----------
    epoch : int
        From 1.
    weights : dict of str to torch.Tensor
        Of the network and the loss.
    optimizer : dict
    epochs : list of dict
        Metrics of the finished epochs.
    step : int
        Steps taken of this epoch; 0 is all of them.
    ranks : list of dict
        Of each rank: its ``sums`` and its micro-batches' ``statistics``.
    """

    epoch: int
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    epochs: list[dict]
    step: int = 0
    ranks: list[dict] = field(default_factory=list)


def save(folder: Path, checkpoint: Checkpoint, *, keep: int = 2) -> Path:
    """Write a checkpoint, delete all but the ``keep`` newest, and return the path of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"epoch-{checkpoint.epoch:04d}"  # names are in order: - comes before .
    stem = folder / (f"{name}-step-{checkpoint.step:06d}" if checkpoint.step else name)
    optimizer = stem.with_suffix(".pt")
    state = {"optimizer": checkpoint.optimizer, "ranks": checkpoint.ranks}
    with atomic_write(optimizer) as part:
        torch.save(state, part)
    metadata = {
        "epoch": str(checkpoint.epoch),
        "step": str(checkpoint.step),
        "optimizer_sha256": hashlib.sha256(optimizer.read_bytes()).hexdigest(),
        "weights_sha256": hash_of(checkpoint.weights),
        "epochs": json.dumps(checkpoint.epochs),
    }
    weights = {k: v.detach().cpu().contiguous().clone() for k, v in checkpoint.weights.items()}
    path = stem.with_suffix(".safetensors")
    with atomic_write(path) as part:
        save_file(weights, str(part), metadata)
    for old in sorted(folder.glob("epoch-*.safetensors"))[:-keep]:
        old.unlink()
        old.with_suffix(".pt").unlink(missing_ok=True)
    return path


def load_newest(folder: Path) -> Checkpoint | None:
    """Return the newest valid checkpoint, or None."""
    for path in sorted(folder.glob("epoch-*.safetensors"), reverse=True):
        checkpoint = _load(path)
        if checkpoint:
            return checkpoint
    return None


def _load(path: Path) -> Checkpoint | None:
    optimizer = path.with_suffix(".pt")
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata()
            weights = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        valid = hashlib.sha256(optimizer.read_bytes()).hexdigest() == metadata["optimizer_sha256"]
        if not valid or hash_of(weights) != metadata["weights_sha256"]:
            return None
        state = torch.load(optimizer, weights_only=True)
    except (SafetensorError, OSError, KeyError, RuntimeError, EOFError):
        return None
    return Checkpoint(
        int(metadata["epoch"]), weights, state["optimizer"], json.loads(metadata["epochs"]),
        int(metadata["step"]), state["ranks"],
    )  # fmt: skip


def hash_of(weights: dict[str, torch.Tensor]) -> str:
    """Return the SHA-256 over all weights in name order, as hex."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
