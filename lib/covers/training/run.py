"""Trainings from the lake to the registry: plan, launch, track, register."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from covers.errors import InputError, TrainingFailed
from covers.io.files import content_id, sha256_of
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, register
from covers.models import legacy
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS
from covers.training import checkpoints
from covers.training.config import TrainConfig, preset
from covers.training.launchers import launch
from covers.training.settings import check_types, parse_settings, types_of
from covers.training.tracking import Trackers
from covers.training.worker import FINAL_WEIGHTS, Plan, TrainingRun

OnEvent = Callable[[str, dict], None]  # title of the training, a rank's message
PROGRESS_S = 10.0  # between two progress messages that are passed on
LAUNCH_SETTINGS = ("stall_timeout_s", "checkpoint_steps", "mlflow_uri")
COMPILE_S = 300.0  # silence allowed besides while a network compiles


@dataclass(frozen=True)
class LaunchConfig:
    """How trainings are run, whatever is trained.

    Parameters
    ----------
    triplet_seed : int
        Seed of the triplets to train on.
    backend : str
        One of `covers.training.config.BACKENDS`.
    workers : int
        Ranks.
    resume : bool
        Continue from the newest checkpoint of the same training.
    run_dir : str or None
        Checkpoints and logs, in a folder that all workers share; None is one in the system's
        temporary folder.
    stall_timeout_s : float
        Silence of all ranks after which a training is ended [s].
    checkpoint_steps : int
        Steps between two checkpoints in an epoch; 0 writes one at its end alone.
    mlflow_uri : str or None
        MLflow server; None logs to files in ``run_dir``.
    purpose : str
        Stored with the models: ``use``, or ``comparison`` to keep them from being the latest.

    Raises
    ------
    ValueError
        If a setting has another type or is out of its range.
    """

    triplet_seed: int
    backend: str = "horovod"
    workers: int = 2
    resume: bool = False
    run_dir: str | None = None
    stall_timeout_s: float = 100.0
    checkpoint_steps: int = 200
    mlflow_uri: str | None = None
    purpose: str = "use"

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check_types(self)
        if self.stall_timeout_s <= 0:
            raise ValueError(f"stall_timeout_s must be positive [s], got {self.stall_timeout_s}")
        if self.checkpoint_steps < 0:
            raise ValueError(f"checkpoint_steps must be 0 or more, got {self.checkpoint_steps}")

    @property
    def base(self) -> Path:
        """Folder of all trainings' checkpoints and logs."""
        return Path(self.run_dir or Path(tempfile.gettempdir()) / "covers-training")

    @property
    def log_folder(self) -> Path:
        """Folder of TensorBoard's files, and of MLflow's where there is no server."""
        return self.base / "logs"


def configure(
    preset_name: str, flags: Mapping[str, object], pairs: Sequence[str], launching: LaunchConfig
) -> tuple[TrainConfig, LaunchConfig]:
    """Return the settings of a training and of its launch.

    Parameters
    ----------
    preset_name : str
        One of `covers.training.config.PRESETS`.
    flags : Mapping
        Settings of the training that replace the preset's, unless they are None.
    pairs : sequence of str
        KEY=VALUE of any setting of `TrainConfig` or of `LAUNCH_SETTINGS`; they replace both.
    launching : LaunchConfig

    Raises
    ------
    ValueError
        If a setting is unknown, does not parse, or is out of its range.
    """
    types = types_of(TrainConfig) | {key: types_of(LaunchConfig)[key] for key in LAUNCH_SETTINGS}
    given = parse_settings(pairs, types)
    launch_settings = {key: given.pop(key) for key in LAUNCH_SETTINGS if key in given}
    return preset(preset_name, **{**flags, **given}), replace(launching, **launch_settings)


@dataclass(frozen=True)
class TrainedModel:
    """A network in the registry, and the metrics of its epochs."""

    model_id: str
    epochs: list[dict]


def train_models(
    lake: Lake,
    wanted: Sequence[tuple[TrainConfig, str]],
    launching: LaunchConfig,
    on_event: OnEvent,
) -> list[TrainedModel]:
    """Train each (settings, strategy) on the same snapshots; register networks and epochs.

    Parameters
    ----------
    lake : Lake
    wanted : sequence of (TrainConfig, str)
        Settings of each training, and the strategy of its triplets.
    launching : LaunchConfig
    on_event : callable
        Gets a training's title and a message: epochs, warnings, and progress now and then.

    Raises
    ------
    InputError
        If the workers cannot share a batch equally.
    TrainingFailed
        If a rank dies, stalls or gives up.
    """
    settings = [
        (_with_micro_batches(config, launching.workers), strategy) for config, strategy in wanted
    ]
    spectrograms, triplets = lake.snapshot(SPECTROGRAMS), lake.snapshot(TRIPLETS)
    runs = []
    for config, strategy in settings:
        identity = (
            config.to_dict(), strategy, launching.triplet_seed, spectrograms.version,
            triplets.version, launching.purpose,
        )  # fmt: skip
        folder = launching.base / content_id(config.architecture, *identity)
        if not launching.resume:
            _delete_leftovers(folder)
        runs.append(TrainingRun(config, strategy, launching.triplet_seed, str(folder)))
    plan = Plan(
        tuple(runs), spectrograms, triplets, launching.backend, launching.resume,
        checkpoint_steps=launching.checkpoint_steps,
    )  # fmt: skip
    _launch(lake, plan, launching, on_event)
    return [_register(lake, run, launching) for run in runs]


def _with_micro_batches(config: TrainConfig, workers: int) -> TrainConfig:
    """Return settings with the number of micro-batches that stands for 0, checked."""
    config = replace(config, micro_batches=config.micro_batches or workers)
    if config.micro_batches % workers:
        raise InputError(
            f"micro_batches must be a multiple of the workers, got {config.micro_batches} for "
            f"{workers}; change micro_batches or --workers"
        )
    if config.batch_size % (config.micro_batches * config.anchors_per_class):
        raise InputError(
            f"batch_size must be a multiple of micro_batches (one a worker, unless set) x anchors of a "
            f"class, got {config.batch_size} for {config.micro_batches} x {config.anchors_per_class}; "
            "change --batch-size"
        )
    return config


def _launch(lake: Lake, plan: Plan, launching: LaunchConfig, on_event: OnEvent) -> None:
    """Launch a plan; log the ranks' messages and pass them on."""
    titles = [f"{run.config.architecture} on {run.strategy} triplets" for run in plan.runs]
    trackers: dict[int, Trackers] = {}
    finished, passed_on = False, 0.0
    compiles = any(run.config.compile for run in plan.runs)

    def on_message(number: int, message: dict) -> None:
        nonlocal passed_on
        if number not in trackers:
            trackers[number] = Trackers(
                launching.log_folder, launching.mlflow_uri, plan.runs[number]
            )
        trackers[number].log(message)
        if message["kind"] != "progress" or time.monotonic() - passed_on > PROGRESS_S:
            passed_on = time.monotonic()
            on_event(titles[number], message)

    try:
        launch(
            lake.spark,
            plan,
            workers=launching.workers,
            stall_timeout_s=launching.stall_timeout_s + COMPILE_S * compiles,
            on_message=on_message,
        )
        finished = True
    finally:
        for tracker in trackers.values():
            tracker.close(finished=finished)


def _delete_leftovers(folder: Path) -> None:
    """Delete checkpoints and weights of an earlier training, so that they do not pass for this one's."""
    for old in [*folder.glob("epoch-*"), folder / FINAL_WEIGHTS]:
        old.unlink(missing_ok=True)


def _register(lake: Lake, run: TrainingRun, launching: LaunchConfig) -> TrainedModel:
    """Register one network. Its id depends on the weights, since other code makes other ones."""
    folder, config = Path(run.folder), run.config
    newest = checkpoints.load_newest(folder)
    path = folder / FINAL_WEIGHTS
    if newest is None or not path.exists():
        raise TrainingFailed(f"training must leave weights in {folder}, got none; see its output")
    settings = config.to_dict() | {
        "strategy": run.strategy, "backend": launching.backend, "workers": launching.workers,
    }  # fmt: skip
    model_id = content_id(config.architecture, folder.name, sha256_of(path))
    record = ModelRecord(
        model_id, config.architecture, str(path), settings, newest.epochs[-1], launching.purpose
    )
    register(lake, record)
    lake.upsert_rows([epoch_row(model_id, epoch) for epoch in newest.epochs], TRAINING_EPOCHS)
    return TrainedModel(model_id, newest.epochs)


def epoch_row(model_id: str, metrics: dict) -> tuple:
    """Return a row of `training_epochs`; its columns may have a metric's earlier name."""
    return (model_id, *[metrics[legacy.metric(c)] for c in TRAINING_EPOCHS.column_names[1:]])
