"""Trainings from the lake to the registry: plan, launch, read the figures, register."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib.io.errors import InputError, TrainingFailed
from lib.io.files import sha256_of
from lib.io.lake import Lake
from lib.io.models import Model, model_id_of, register
from lib.training import checkpoints
from lib.training.backends import launch
from lib.training.config import TrainConfig
from lib.training.worker import FINAL, Plan, Training
from schemas.spectrograms import SPECTROGRAMS
from schemas.training_epochs import TRAINING_EPOCHS
from schemas.triplets import TRIPLETS

OnEpoch = Callable[[str, dict], None]  # what is trained, and its epoch's figures


@dataclass(frozen=True)
class Request:
    """How trainings are run, whatever is trained."""

    triplet_seed: int
    backend: str = "horovod"
    workers: int = 2
    resume: bool = False
    stall_s: float = 120.0
    work_folder: str | None = None
    purpose: str = "use"


@dataclass(frozen=True)
class Trained:
    """A network in the registry, and the figures of its epochs."""

    model_id: str
    epochs: list[dict]


def train_models(
    lake: Lake,
    wanted: Sequence[tuple[TrainConfig, str]],
    request: Request,
    on_epoch: OnEpoch,
) -> list[Trained]:
    """Train each (settings, strategy) on the same snapshots; register networks and epochs.

    Raises
    ------
    InputError
        If a batch cannot be shared by the workers.
    TrainingFailed
        If a rank dies, stalls or gives up.
    """
    for config, _ in wanted:
        if config.batch_size % (request.workers * config.pairs_per_work):
            raise InputError(
                f"batch size must be a multiple of workers x pairs of a work, got {config.batch_size} "
                f"for {request.workers} x {config.pairs_per_work}; change --batch-size or --workers"
            )
    spectrograms, triplets = lake.snapshot(SPECTROGRAMS), lake.snapshot(TRIPLETS)
    base = Path(request.work_folder or Path(tempfile.gettempdir()) / "covers-training")
    trainings = []
    for config, strategy in wanted:
        identity = (
            config.to_dict(), strategy, request.triplet_seed, spectrograms.version,
            triplets.version, request.purpose,
        )  # fmt: skip
        folder = base / model_id_of(config.network, *identity)
        if not request.resume:
            _forget(folder)
        trainings.append(Training(config, strategy, request.triplet_seed, str(folder)))
    plan = Plan(tuple(trainings), spectrograms, triplets, request.backend, request.resume)
    names = [f"{t.config.network} on {t.strategy} triplets" for t in trainings]
    launch(
        lake.spark, plan, workers=request.workers, stall_s=request.stall_s,
        on_epoch=lambda number, epoch: on_epoch(names[number], epoch),
    )  # fmt: skip
    return [_register(lake, training, request) for training in trainings]


def _forget(folder: Path) -> None:
    """Delete what an earlier training left, so that nothing of it can be taken for this one's."""
    for old in [*folder.glob("epoch-*"), folder / FINAL]:
        old.unlink(missing_ok=True)


def _register(lake: Lake, training: Training, request: Request) -> Trained:
    """Register one network. Its id tells the weights: other code makes another network."""
    folder, config = Path(training.folder), training.config
    newest = checkpoints.load_newest(folder)
    if newest is None or not (folder / FINAL).exists():
        raise TrainingFailed(
            f"training must leave weights in {folder}, got none; look at its output"
        )
    settings = config.to_dict() | {
        "strategy": training.strategy, "backend": request.backend, "workers": request.workers,
    }  # fmt: skip
    model_id = model_id_of(config.network, folder.name, sha256_of(folder / FINAL))
    weights, last = str(folder / FINAL), newest.epochs[-1]
    register(lake, Model(model_id, config.network, weights, settings, last, request.purpose))
    lake.upsert_rows([epoch_row(model_id, epoch) for epoch in newest.epochs], TRAINING_EPOCHS)
    return Trained(model_id, newest.epochs)


def epoch_row(model_id: str, epoch: dict) -> tuple:
    """Return a row of `training_epochs`."""
    return (model_id, *[epoch[name] for name in TRAINING_EPOCHS.column_names[1:]])
