"""One rank of a training: ``python -m lib.training.worker PLAN.json``, or `run_plan` in a Spark task.

A plan is what a rank must know: settings, the files of both snapshots, backend, folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from lib.io.errors import InputError, TrainingFailed
from lib.io.lake import Snapshot
from lib.training import loader, loop
from lib.training.config import TrainConfig
from lib.training.ranks import join

FINAL = "final.safetensors"


@dataclass(frozen=True)
class Plan:
    """One training, ready to be handed to every rank."""

    config: TrainConfig
    spectrograms: Snapshot
    triplets: Snapshot
    strategy: str
    triplet_seed: int
    backend: str
    folder: str
    resume: bool = False
    reader: str = "petastorm"

    def to_json(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))


def plan_from_json(text: str) -> Plan:
    """Return the plan that `Plan.to_json` wrote."""
    data = json.loads(text)
    for name in ("spectrograms", "triplets"):
        data[name] = Snapshot(**(data[name] | {"paths": tuple(data[name]["paths"])}))
    return Plan(**(data | {"config": TrainConfig(**data["config"])}))


def run_plan(text: str) -> None:
    """Train this rank; rank 0 writes the final weights."""
    plan = plan_from_json(text)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    ranks = join(plan.backend)
    try:
        with tempfile.TemporaryDirectory() as folder:
            store = loader.tensor_store(
                plan.spectrograms, plan.config.representation, folder, reader=plan.reader
            )
            triplets = loader.read_triplets(
                plan.triplets,
                store,
                strategy=plan.strategy,
                seed=plan.triplet_seed,
                reader=plan.reader,
            )
            data = loop.Data(store, triplets["train"], triplets["validation"])
            weights = loop.train(plan.config, data, ranks, Path(plan.folder), resume=plan.resume)
        if ranks.rank == 0:
            part = Path(plan.folder) / f".{FINAL}.part"
            save_file({k: v.cpu().contiguous() for k, v in weights.items()}, str(part))
            part.replace(Path(plan.folder) / FINAL)
    finally:
        ranks.close()


if __name__ == "__main__":
    try:
        run_plan(Path(sys.argv[1]).read_text())
    except (TrainingFailed, InputError, ValueError) as error:
        # One line that the job passes on; the other ranks are ended by the launcher.
        sys.stdout.write(json.dumps({"covers_error": " ".join(str(error).split())}) + "\n")
        sys.stdout.flush()
        os._exit(5)
