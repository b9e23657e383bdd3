"""Triplets a second of trainings, compared with a plain loop on tensors in memory; by ranks and backends.

python -m benchmarks.training                          # every preset, one rank
python -m benchmarks.training --presets covernet --ranks 1 2 --backends horovod torch-distributor

The plain loop has the same network, loss and shapes, plain Adam, and batches in memory; a rank has one
core. Rates are those of the second epoch, without start-up.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.made_triplets import VERSIONS, snapshots
from benchmarks.measure import session
from covers.models import factory
from covers.training import losses
from covers.training.batching import load_batch
from covers.training.config import PRESETS, TrainConfig
from covers.training.dataset import read_tensors, read_triplets
from covers.training.launchers import launch
from covers.training.worker import Plan, TrainingRun

N_RECORDINGS = 256
console = Console(width=110)


def settings_of(name: str, batch_size: int) -> TrainConfig:
    """Return a preset with two epochs: the first includes start-up, the second is measured."""
    return replace(PRESETS[name], batch_size=batch_size, epochs=2, schedule="constant")


def measure_plain_loop(config: TrainConfig, made: tuple, n_steps: int) -> float:
    """Return triplets a second of a loop on batches in memory."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        store = read_tensors(made[0], config.representation, folder)
        triplets = read_triplets(made[1], store, strategy="clique", seed=1)["train"]
        x, labels = load_batch(
            triplets, torch.arange(config.batch_size).numpy(), config, epoch=1, augment=False,
            negatives=config.own_negatives,
        )  # fmt: skip
    network = factory.build(config.architecture).train()
    n_labels = N_RECORDINGS // VERSIONS
    size = int(torch.tensor(factory.embedding_shape(network)).prod())
    loss_of = losses.build(config, factory.n_transpositions_of(network), n_labels, size)
    trained = [p for m in (network, loss_of) for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, config.learning_rate)
    started = 0.0
    for step in range(n_steps + 1):
        if step == 1:  # the first warms up
            started = time.perf_counter()
        embedded = network(losses.cut_segments(x, config.segments_per_crop))
        by_crop = losses.group_embeddings(embedded, labels, config.segments_per_crop)
        loss = loss_of(by_crop, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return n_steps * config.batch_size / (time.perf_counter() - started)


def measure_training(
    config: TrainConfig, made: tuple, backend: str, ranks: int
) -> tuple[float, float]:
    """Return triplets a second of the second epoch, and the share of it spent waiting for data."""
    messages: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan((TrainingRun(config, "clique", 1, folder),), *made, backend)
        spark = session() if backend == "torch-distributor" else None
        launch(
            spark, plan, workers=ranks, on_message=lambda _, m: messages.append(m), stall_timeout_s=600
        )  # fmt: skip
    (last,) = [m for m in messages if m["kind"] == "epoch" and m["epoch"] == 2]
    waits = [m["waiting"] for m in messages if m["kind"] == "progress" and m["epoch"] == 2]
    return last["n_triplets"] / last["seconds"], waits[-1] if waits else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=sorted(PRESETS))
    parser.add_argument("--ranks", nargs="+", type=int, default=[1], metavar="N")
    parser.add_argument("--backends", nargs="+", default=["horovod"], metavar="NAME")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="of all ranks")
    parser.add_argument("--steps", type=int, default=48, metavar="N", help="an epoch")
    asked = parser.parse_args()
    grid = Grid("preset", "ranks", "triplets/s", "of the plain loop", "waiting for data")
    for name in asked.presets:
        config = settings_of(name, asked.batch_size)
        with tempfile.TemporaryDirectory() as folder:
            n_triplets = asked.batch_size * asked.steps
            made = snapshots(Path(folder), config.representation, N_RECORDINGS, n_triplets)
            ceiling = measure_plain_loop(config, made, asked.steps)
            grid.add_row(name, "plain loop", f"{ceiling:.2f}", "1.00", "")
            for backend in asked.backends:
                for ranks in asked.ranks:
                    rate, waiting = measure_training(config, made, backend, ranks)
                    grid.add_row(
                        name, f"{ranks}, {backend}", f"{rate:.2f}", f"{rate / ceiling:.2f}", f"{waiting:.1%}"
                    )  # fmt: skip
    console.print(grid)


if __name__ == "__main__":
    main()
