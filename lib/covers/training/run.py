"""Trainings from the lake to the registry: plan, launch, read the figures, register."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from covers.errors import InputError, TrainingFailed
from covers.io.files import sha256_of
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, model_id_of, register
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS
from covers.training import checkpoints
from covers.training.config import TrainConfig
from covers.training.launchers import launch
from covers.training.tracking import Trackers
from covers.training.worker import FINAL, Plan, Training

Tell = Callable[[str, dict], None]  # what is trained, and what a rank said of it
PROGRESS_S = 10.0  # between two lines of progress
COMPILE_S = 300.0  # that a network's compilation may take in silence


@dataclass(frozen=True)
class Request:
    """How trainings are run, whatever is trained."""

    triplet_seed: int
    backend: str = "horovod"
    workers: int = 2
    resume: bool = False
    stall_s: float = 100.0
    work_folder: str | None = None
    purpose: str = "use"
    checkpoint_steps: int = 0
    logs: str | None = None
    mlflow: str | None = None

    @property
    def base(self) -> Path:
        """Folder of all trainings' work."""
        return Path(self.work_folder or Path(tempfile.gettempdir()) / "covers-training")

    @property
    def log_folder(self) -> str:
        """Folder of TensorBoard's files, and of MLflow's where no server was named."""
        return self.logs or str(self.base / "logs")


@dataclass(frozen=True)
class Trained:
    """A network in the registry, and the figures of its epochs."""

    model_id: str
    epochs: list[dict]


def train_models(
    lake: Lake,
    wanted: Sequence[tuple[TrainConfig, str]],
    request: Request,
    tell: Tell,
) -> list[Trained]:
    """Train each (settings, strategy) on the same snapshots; register networks and epochs.

    Raises
    ------
    InputError
        If a batch cannot be shared by the workers.
    TrainingFailed
        If a rank dies, stalls or gives up.
    """
    wanted = [(replace(c, parts=c.parts or request.workers), strategy) for c, strategy in wanted]
    for config, _ in wanted:
        if config.parts % request.workers:
            raise InputError(
                f"parts must be a multiple of the workers, got {config.parts} for {request.workers}; "
                "change --parts or --workers"
            )
        if config.batch_size % (config.parts * config.pairs_per_work):
            raise InputError(
                f"batch size must be a multiple of parts (one a worker, or --parts) x pairs of a work, got "
                f"{config.batch_size} for {config.parts} x {config.pairs_per_work}; change --batch-size"
            )
    spectrograms, triplets = lake.snapshot(SPECTROGRAMS), lake.snapshot(TRIPLETS)
    trainings = []
    for config, strategy in wanted:
        identity = (
            config.to_dict(), strategy, request.triplet_seed, spectrograms.version,
            triplets.version, request.purpose,
        )  # fmt: skip
        folder = request.base / model_id_of(config.architecture, *identity)
        if not request.resume:
            _forget(folder)
        trainings.append(Training(config, strategy, request.triplet_seed, str(folder)))
    plan = Plan(
        tuple(trainings), spectrograms, triplets, request.backend, request.resume,
        checkpoint_steps=request.checkpoint_steps,
    )  # fmt: skip
    _run(lake, plan, request, tell)
    return [_register(lake, training, request) for training in trainings]


def _run(lake: Lake, plan: Plan, request: Request, tell: Tell) -> None:
    """Launch the plan; tell what the ranks say, and write it to the trackers."""
    names = [f"{t.config.architecture} on {t.strategy} triplets" for t in plan.trainings]
    trackers: dict[int, Trackers] = {}
    finished, told = False, 0.0
    compiled = any(t.config.compile for t in plan.trainings)

    def on_message(number: int, message: dict) -> None:
        nonlocal told
        if number not in trackers:
            trackers[number] = Trackers(request.log_folder, request.mlflow, plan.trainings[number])
        trackers[number].tell(message)
        if message["kind"] != "progress" or time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            tell(names[number], message)

    try:
        launch(
            lake.spark,
            plan,
            workers=request.workers,
            stall_s=request.stall_s + COMPILE_S * compiled,
            on_message=on_message,
        )
        finished = True
    finally:
        for tracker in trackers.values():
            tracker.close(finished=finished)


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
    model_id = model_id_of(config.architecture, folder.name, sha256_of(folder / FINAL))
    weights, last = str(folder / FINAL), newest.epochs[-1]
    register(
        lake, ModelRecord(model_id, config.architecture, weights, settings, last, request.purpose)
    )
    lake.upsert_rows([epoch_row(model_id, epoch) for epoch in newest.epochs], TRAINING_EPOCHS)
    return Trained(model_id, newest.epochs)


def epoch_row(model_id: str, epoch: dict) -> tuple:
    """Return a row of `training_epochs`."""
    return (model_id, *[epoch[name] for name in TRAINING_EPOCHS.column_names[1:]])
