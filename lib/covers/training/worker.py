"""One rank: ``python -m covers.training.worker PLAN.json``, or `run_plan` in a Spark task.

A plan is all that a rank needs: the files of both snapshots, and the trainings to run one after the
other (ranks take ten seconds to start, so several trainings share one start).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file

from covers.errors import InputError, TrainingFailed
from covers.io.delta_reader import Snapshot
from covers.io.files import atomic_write
from covers.training import dataset, loop
from covers.training.checkpoints import CheckpointConfig
from covers.training.config import TrainConfig
from covers.training.dataset import TensorStore
from covers.training.heartbeat import ProgressWriter
from covers.training.process_group import ProcessGroup, init_process_group

FINAL_WEIGHTS = "final.safetensors"


@dataclass(frozen=True)
class TrainingRun:
    """One network on one set of triplets; checkpoints and weights go to ``folder``."""

    config: TrainConfig
    strategy: str
    triplet_seed: int
    folder: str


@dataclass(frozen=True)
class Plan:
    """Trainings on the same snapshots, ready to be handed to every rank.

    ``checkpoint_steps`` is the number of steps between two checkpoints in an epoch; 0 writes one at
    its end alone.
    """

    runs: tuple[TrainingRun, ...]
    spectrograms: Snapshot
    triplets: Snapshot
    backend: str
    resume: bool = False
    reader: str = "petastorm"
    checkpoint_steps: int = 0
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def folder(self) -> Path:
        """Folder of the first training, where the ranks' messages go."""
        return Path(self.runs[0].folder)

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))


def plan_from_json(text: str) -> Plan:
    """Return the plan that `Plan.to_json` wrote."""
    data = json.loads(text)
    for name in ("spectrograms", "triplets"):
        data[name] = Snapshot(**(data[name] | {"paths": tuple(data[name]["paths"])}))
    runs = [TrainingRun(**(r | {"config": TrainConfig(**r["config"])})) for r in data["runs"]]
    return Plan(**(data | {"runs": tuple(runs)}))


def run_plan(text: str) -> None:
    """Run the trainings of a plan on this rank; rank 0 writes the weights.

    Raises
    ------
    TrainingFailed, InputError, ValueError
        Written as a message first, for the driver.
    """
    plan = plan_from_json(text)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    group = init_process_group(plan.backend)
    plan.folder.mkdir(parents=True, exist_ok=True)
    progress = ProgressWriter(plan.folder, group.rank, plan.run_id)
    progress.write("alive")
    try:
        with tempfile.TemporaryDirectory() as folder:

            @cache
            def store_of(representation: str) -> TensorStore:
                return dataset.read_tensors(
                    plan.spectrograms, representation, folder, reader=plan.reader,
                    on_batch=progress.beat,
                )  # fmt: skip

            for number, run in enumerate(plan.runs):
                progress.training = number
                _train(plan, run, store_of(run.config.representation), group, progress)
    except (TrainingFailed, InputError, ValueError) as error:
        progress.write("error", text=" ".join(str(error).split()))
        raise
    finally:
        group.close()


def _train(
    plan: Plan, run: TrainingRun, store: TensorStore, group: ProcessGroup, progress: ProgressWriter
) -> None:
    triplets = dataset.read_triplets(
        plan.triplets, store, strategy=run.strategy, seed=run.triplet_seed, reader=plan.reader,
        on_batch=progress.beat,
    )  # fmt: skip
    data = loop.TrainingData(triplets["train"], triplets["validation"])
    checkpointing = CheckpointConfig(Path(run.folder), plan.resume, plan.checkpoint_steps)
    weights = loop.train(run.config, data, group, checkpointing, progress)
    if group.rank == 0:
        with atomic_write(Path(run.folder) / FINAL_WEIGHTS) as part:
            save_file({k: v.cpu().contiguous() for k, v in weights.items()}, str(part))


if __name__ == "__main__":
    try:
        run_plan(Path(sys.argv[1]).read_text())
    except (TrainingFailed, InputError, ValueError):
        os._exit(5)  # the job prints the message; the launcher ends the other ranks
