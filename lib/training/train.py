"""One training from the lake to the registry: plan, launch, read the figures, register."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.io.errors import InputError, TrainingFailed
from lib.io.lake import Lake
from lib.io.models import Model, model_id_of, register
from lib.training import checkpoints
from lib.training.backends import launch
from lib.training.config import TrainConfig
from lib.training.worker import FINAL, Plan
from schemas.spectrograms import SPECTROGRAMS
from schemas.training_epochs import TRAINING_EPOCHS
from schemas.triplets import TRIPLETS


@dataclass(frozen=True)
class Request:
    """What a job asks for."""

    strategy: str
    triplet_seed: int
    backend: str = "horovod"
    workers: int = 2
    resume: bool = False
    stall_s: float = 120.0
    work_folder: str | None = None
    purpose: str = "use"


def train_model(
    lake: Lake, config: TrainConfig, request: Request, on_epoch: Callable[[dict], None]
) -> tuple[str, list[dict]]:
    """Train, register the network, write its epochs; return its id and its epochs.

    Raises
    ------
    InputError
        If the batch cannot be shared by the workers.
    TrainingFailed
        If a rank dies, stalls or gives up.
    """
    if config.batch_size % request.workers:
        raise InputError(
            f"batch size must be a multiple of the workers, got {config.batch_size} for "
            f"{request.workers}; change --batch-size or --workers"
        )
    spectrograms, triplets = lake.snapshot(SPECTROGRAMS), lake.snapshot(TRIPLETS)
    identity = (
        config.to_dict(),
        request.strategy,
        request.triplet_seed,
        spectrograms.version,
        triplets.version,
        request.purpose,
    )
    model_id = model_id_of(config.network, *identity)
    base = (
        Path(request.work_folder)
        if request.work_folder
        else Path(tempfile.gettempdir()) / "covers-training"
    )
    folder = base / model_id
    if not request.resume and folder.exists():
        for old in folder.glob("epoch-*"):
            old.unlink()
    plan = Plan(
        config, spectrograms, triplets, request.strategy, request.triplet_seed, request.backend,
        str(folder), request.resume,
    )  # fmt: skip
    launch(lake.spark, plan, workers=request.workers, on_epoch=on_epoch, stall_s=request.stall_s)
    newest = checkpoints.load_newest(folder)
    if newest is None or not (folder / FINAL).exists():
        raise TrainingFailed(
            f"training must leave weights in {folder}, got none; look at its output"
        )
    settings = config.to_dict() | {
        "strategy": request.strategy,
        "backend": request.backend,
        "workers": request.workers,
    }
    last = newest.epochs[-1]
    register(
        lake,
        Model(model_id, config.network, str(folder / FINAL), settings, last, request.purpose),
    )
    lake.upsert_rows([epoch_row(model_id, epoch) for epoch in newest.epochs], TRAINING_EPOCHS)
    return model_id, newest.epochs


def epoch_row(model_id: str, epoch: dict) -> tuple:
    """Return a row of `training_epochs`."""
    return (model_id, *[epoch[name] for name in TRAINING_EPOCHS.column_names[1:]])
