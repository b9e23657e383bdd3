"""One rank: ``python -m covers.training.worker PLAN.json``, or `run_plan` in a Spark task.

A plan is what a rank must know: the files of both snapshots, and the trainings to do one after the
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
from covers.training.config import TrainConfig
from covers.training.heartbeat import Speaker
from covers.training.process_group import Ranks, join

FINAL = "final.safetensors"


@dataclass(frozen=True)
class Training:
    """One network on one set of triplets; checkpoints and weights go to ``folder``."""

    config: TrainConfig
    strategy: str
    triplet_seed: int
    folder: str


@dataclass(frozen=True)
class Plan:
    """Trainings on the same snapshots, ready to be handed to every rank."""

    trainings: tuple[Training, ...]
    spectrograms: Snapshot
    triplets: Snapshot
    backend: str
    resume: bool = False
    reader: str = "petastorm"
    checkpoint_steps: int = 0  # between two checkpoints in an epoch; 0: only at its end
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))


def plan_from_json(text: str) -> Plan:
    """Return the plan that `Plan.to_json` wrote."""
    data = json.loads(text)
    for name in ("spectrograms", "triplets"):
        data[name] = Snapshot(**(data[name] | {"paths": tuple(data[name]["paths"])}))
    trainings = [
        Training(**(t | {"config": TrainConfig(**t["config"])})) for t in data["trainings"]
    ]
    return Plan(**(data | {"trainings": tuple(trainings)}))


def run_plan(text: str) -> None:
    """Do the trainings on this rank; rank 0 writes the weights, all say how they are.

    Raises
    ------
    TrainingFailed, InputError, ValueError
        Which are said first.
    """
    plan = plan_from_json(text)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    ranks = join(plan.backend)
    folder_of_all = Path(plan.trainings[0].folder)
    folder_of_all.mkdir(parents=True, exist_ok=True)
    speaker = Speaker(folder_of_all, ranks.rank, plan.run_id)
    speaker.say("alive")
    try:
        with tempfile.TemporaryDirectory() as folder:

            @cache
            def store(representation: str) -> dataset.TensorStore:
                return dataset.tensor_store(
                    plan.spectrograms, representation, folder, reader=plan.reader,
                    on_batch=speaker.now_and_then,
                )  # fmt: skip

            for number, training in enumerate(plan.trainings):
                speaker.training = number
                _train(plan, training, store(training.config.representation), ranks, speaker)
    except (TrainingFailed, InputError, ValueError) as error:
        speaker.say("error", text=" ".join(str(error).split()))
        raise
    finally:
        ranks.close()


def _train(
    plan: Plan, training: Training, store: dataset.TensorStore, ranks: Ranks, speaker: Speaker
) -> None:
    triplets = dataset.read_triplets(
        plan.triplets, store, strategy=training.strategy, seed=training.triplet_seed,
        reader=plan.reader, on_batch=speaker.now_and_then,
    )  # fmt: skip
    data = loop.Data(store, triplets["train"], triplets["validation"])
    keeping = loop.Keeping(Path(training.folder), plan.resume, plan.checkpoint_steps)
    weights = loop.train(training.config, data, ranks, keeping, speaker)
    if ranks.rank == 0:
        with atomic_write(Path(training.folder) / FINAL) as part:
            save_file({k: v.cpu().contiguous() for k, v in weights.items()}, str(part))


if __name__ == "__main__":
    try:
        run_plan(Path(sys.argv[1]).read_text())
    except (TrainingFailed, InputError, ValueError):
        os._exit(5)  # the job tells the line; the other ranks are ended by the launcher
