"""The training loop, read top to bottom; one process of possibly many runs it.

*Conventions.* A step takes the same global batch whatever the number of ranks; loss and accuracy
are means over all ranks. Each epoch ends with a checkpoint, and rank 0 tells its figures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lib.io.errors import TrainingFailed
from lib.training import checkpoints, losses, networks
from lib.training.config import TrainConfig
from lib.training.distances import paired_distance
from lib.training.loader import TensorStore, Triplets, batch_indices, load_batch
from lib.training.ranks import Ranks

COLLAPSED = 1e-4  # mean standard deviation of an embedding's coordinates; healthy is 0.02 to 0.1


@dataclass(frozen=True)
class Data:
    """What a training sees."""

    store: TensorStore
    train: Triplets
    validation: Triplets


def train(
    config: TrainConfig,
    data: Data,
    ranks: Ranks,
    folder: Path,
    *,
    resume: bool,
    on_epoch: Callable[[dict], None],
) -> dict[str, torch.Tensor]:
    """Train and return the weights.

    Raises
    ------
    TrainingFailed
        If the loss is not finite, the embeddings collapse, or the ranks' weights differ.
    """
    torch.manual_seed(config.seed)
    device = torch.device(
        f"cuda:{ranks.rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    )
    network = networks.build(config.network, weights=config.weights).to(device)
    n_rolls = networks.n_rolls_of(network)
    n_labels = 1 + int(data.train.labels.max())  # they are numbered from the training ones on
    loss_of = losses.build(config, n_rolls, n_labels, math.prod(networks.shape_of(network))).to(
        device
    )
    both = nn.ModuleDict({"network": network, "loss": loss_of})  # some losses have weights too
    trained = [p for p in both.parameters() if p.requires_grad]
    # The write-up's Adam keeps weight decay inside the gradient; AdamW takes it apart.
    kind = torch.optim.AdamW if config.network == "covernet" else torch.optim.Adam
    optimizer = kind(trained, config.learning_rate, weight_decay=config.weight_decay)
    history: list[dict] = []
    checkpoint = checkpoints.load_newest(folder) if resume else None
    if checkpoint:
        both.load_state_dict(checkpoint.weights)
        optimizer.load_state_dict(checkpoint.optimizer)
        history = checkpoint.epochs
    optimizer = ranks.wrap(both, optimizer)
    batches_of = partial(
        batch_indices, data.train.labels[:, 0], batch_size=config.batch_size, rank=ranks.rank,
        n_ranks=ranks.size, seed=config.seed, pairs_per_work=config.pairs_per_work,
    )  # fmt: skip
    n_steps = len(batches_of(epoch=0))

    for epoch in range(len(history) + 1, config.epochs + 1):
        started, total, spread = time.monotonic(), 0.0, 0.0
        both.train()
        batches = batches_of(epoch=epoch)
        for step, indices in enumerate(batches):
            rate = learning_rate(config, (epoch - 1) * n_steps + step, config.epochs * n_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            x, labels = load_batch(
                data.store, data.train, indices, config, epoch=epoch, vary=config.vary,
                negatives=config.pairs_per_work == 1,
            )  # fmt: skip
            x, labels = x.to(device), labels.to(device)
            embedded = network(x.flatten(0, 1))
            loss = loss_of(embedded.reshape(*labels.shape, -1), labels)
            optimizer.zero_grad()
            loss.backward()
            ranks.finish_gradients(both, optimizer)
            torch.nn.utils.clip_grad_norm_(trained, config.max_grad_norm)
            ranks.step(optimizer)
            total += float(loss.detach())
            spread += float(embedded.detach().std(dim=0).mean())
        figures = torch.tensor([total / n_steps, spread / n_steps], dtype=torch.float64)
        mean_loss, std = (float(v) for v in ranks.average(figures, f"figures{epoch}"))
        validation = evaluate(network, config, data, ranks, device, n_rolls)
        state = both.state_dict()
        hashes = ranks.gather(checkpoints.hash_of(dict(both.named_parameters())), f"hash{epoch}")
        row = {
            "epoch": epoch, "loss": mean_loss, **validation, "embedding_std": std, "learning_rate": rate,
            "n_triplets": n_steps * len(batches[0]) * ranks.size, "n_ranks": ranks.size,
            "seconds": time.monotonic() - started, "parameters_hash": hashes[0],
        }  # fmt: skip
        history.append(row)
        _check(row, hashes)
        if ranks.rank == 0:
            checkpoints.save(
                folder, checkpoints.Checkpoint(epoch, state, optimizer.state_dict(), history)
            )
            on_epoch(row)
        if config.patience and _stale(history, config.patience):
            break
    return network.state_dict()


def learning_rate(config: TrainConfig, step: int, n_steps: int) -> float:
    """Return the rate of a step: constant, or a short warm-up and then a cosine to zero."""
    if config.schedule == "constant":
        return config.learning_rate
    warm_up = max(1, n_steps // 20)
    if step < warm_up:
        return config.learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, n_steps - warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def evaluate(
    network: nn.Module,
    config: TrainConfig,
    data: Data,
    ranks: Ranks,
    device: torch.device,
    n_rolls: int,
) -> dict[str, float | None]:
    """Return the metric loss and nearest-neighbour accuracy on validation triplets, over all ranks."""
    if len(data.validation) < ranks.size:
        return {"validation_loss": None, "validation_nn_accuracy": None}
    network.eval()
    loss_of = losses.MetricLoss(config, n_rolls)
    mine = np.arange(len(data.validation))[ranks.rank :: ranks.size][:512]
    sums = torch.zeros(3, dtype=torch.float64)
    for first in range(0, len(mine), config.batch_size):
        indices = mine[first : first + config.batch_size]
        x, labels = load_batch(data.store, data.validation, indices, config, epoch=0, vary=False)
        x, labels = x.to(device), labels.to(device)
        embedded = network(x.flatten(0, 1)).reshape(*labels.shape, -1)
        near, far = (paired_distance(embedded[0], other, n_rolls) for other in embedded[1:])
        loss = loss_of(embedded, labels)
        right = (near < far).double() + 0.5 * (near == far).double()
        sums += torch.tensor([float(loss) * len(indices), float(right.sum()), len(indices)])
    loss_sum, right_sum, n = (float(v) for v in ranks.average(sums, "validation"))
    return {"validation_loss": loss_sum / n, "validation_nn_accuracy": right_sum / n}


def _check(row: dict, hashes: list[str]) -> None:
    if not math.isfinite(row["loss"]):
        raise TrainingFailed(
            f"loss must be finite, got {row['loss']} in epoch {row['epoch']}; lower --learning-rate"
        )
    if row["embedding_std"] < COLLAPSED:
        raise TrainingFailed(
            f"embeddings must differ, got standard deviation {row['embedding_std']:.2g} in epoch "
            f"{row['epoch']}: they collapsed; lower --learning-rate or take --loss supcon"
        )
    if len(set(hashes)) > 1:
        raise TrainingFailed(
            f"weights must be equal on all ranks, got {hashes} in epoch {row['epoch']}"
        )


def _stale(history: list[dict], patience: int) -> bool:
    """Tell whether validation accuracy has not risen for ``patience`` epochs."""
    accuracies = [h["validation_nn_accuracy"] or 0.0 for h in history]
    return len(accuracies) - 1 - int(np.argmax(accuracies)) >= patience
