"""The training loop, read top to bottom; one process of possibly many runs it.

*Conventions.* A step takes the same global batch, in the same parts, whatever the number of ranks; loss
and accuracy are means over all ranks. Each epoch ends with a checkpoint, and rank 0 tells its figures. A training
that is resumed takes the very steps that the unbroken one would have taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from covers.errors import TrainingFailed
from covers.models import networks
from covers.models.similarity import paired_distance
from covers.models.whitening import whiten
from covers.training import checkpoints, losses
from covers.training.config import TrainConfig
from covers.training.dataset import TensorStore, Triplets, ahead, batch_indices, load_batch
from covers.training.heartbeat import Speaker
from covers.training.micro_batches import Parts
from covers.training.process_group import Ranks

COLLAPSED = 1e-4  # mean standard deviation of an embedding's coordinates; healthy is 0.02 to 0.1
NARROW = 0.1  # the same times the root of their number: 1 where embeddings fill the sphere
WHITENED_BY = 2048  # training pairs


@dataclass(frozen=True)
class Data:
    """What a training sees."""

    store: TensorStore
    train: Triplets
    validation: Triplets


@dataclass(frozen=True)
class Keeping:
    """Where checkpoints are kept, whether to go on from them, steps between those in an epoch."""

    folder: Path
    resume: bool = False
    steps: int = 0


def train(
    config: TrainConfig, data: Data, ranks: Ranks, keeping: Keeping, speaker: Speaker
) -> dict[str, torch.Tensor]:
    """Train and return the weights; ``speaker`` says progress, epochs and warnings.

    Raises
    ------
    TrainingFailed
        If the loss is not finite, the embeddings collapse, or the ranks' weights differ.
    ValueError
        If the ranks cannot share a batch equally.
    """
    torch.manual_seed(config.seed)
    device = torch.device(
        f"cuda:{ranks.rank % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    )
    mixed = config.mixed_precision and _has_bfloat16(device, compiled=config.compile)
    network = networks.build(config.architecture, weights=config.weights).to(device)
    embed = torch.compile(network) if config.compile else network
    n_transpositions = networks.n_transpositions_of(network)
    n_labels = 1 + int(data.train.labels.max())  # they are numbered from the training ones on
    loss_of = losses.build(
        config, n_transpositions, n_labels, math.prod(networks.shape_of(network))
    ).to(device)
    both = nn.ModuleDict({"network": network, "loss": loss_of})  # some losses have weights too
    trained = [p for p in both.parameters() if p.requires_grad]
    # The write-up's Adam keeps weight decay inside the gradient; AdamW takes it apart.
    kind = torch.optim.AdamW if config.architecture == "covernet" else torch.optim.Adam
    optimizer = kind(trained, config.learning_rate, weight_decay=config.weight_decay)
    history: list[dict] = []
    mine = {"total": 0.0, "spread": 0.0, "seconds": 0.0}  # of the epoch so far, on this rank
    first_step = 0
    checkpoint = checkpoints.load_newest(keeping.folder) if keeping.resume else None
    if checkpoint:
        both.load_state_dict(checkpoint.weights)
        history, first_step = checkpoint.epochs, checkpoint.step
    parts = Parts(both, ranks, config.parts)
    ranks.share_weights(both)
    if checkpoint:
        optimizer.load_state_dict(checkpoint.optimizer)
        of_parts = [held for rank in checkpoint.ranks for held in rank["buffers"]]
        if len(of_parts) == parts.n:  # else the network's own are every part's
            parts.restore(of_parts)
        if len(checkpoint.ranks) == ranks.size:
            mine = checkpoint.ranks[ranks.rank]["sums"]
        else:  # figures are means over ranks
            mine = {
                k: sum(r["sums"][k] for r in checkpoint.ranks) / len(checkpoint.ranks) for k in mine
            }
    batches_of = partial(
        batch_indices, data.train.labels[:, 0], batch_size=config.batch_size, n_parts=parts.n,
        seed=config.seed, pairs_per_work=config.pairs_per_work,
    )  # fmt: skip
    n_steps = len(batches_of(part=0, epoch=0))

    def keep(epoch: int, step: int) -> None:
        own = {"sums": mine, "buffers": [{k: v.cpu() for k, v in b.items()} for b in parts.held]}
        known = ranks.gather(own, f"keep{epoch}-{step}")
        if ranks.rank == 0:
            state = (both.state_dict(), optimizer.state_dict())
            checkpoints.save(
                keeping.folder, checkpoints.Checkpoint(epoch, *state, history, step, known)
            )

    started = time.monotonic()  # of this run; steps before it are not its own
    n_before = len(history) * n_steps + first_step
    for epoch in range(len(history) + 1, config.epochs + 1):
        if config.patience and _stale(history, config.patience):
            break
        began = time.monotonic() - mine["seconds"]
        both.train()
        of_parts = [batches_of(part=part, epoch=epoch) for part in parts.mine]
        batches = [of_part[step] for step in range(first_step, n_steps) for of_part in of_parts]
        load = partial(
            load_batch, data.store, data.train, config=config, epoch=epoch, vary=config.vary,
            negatives=config.pairs_per_work == 1,
        )  # fmt: skip
        waited = 0.0
        loaded = ahead(load, batches)
        for step in range(first_step, n_steps):
            rate = learning_rate(config, (epoch - 1) * n_steps + step, config.epochs * n_steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            for part in parts.mine:
                asked = time.monotonic()
                x, labels = (tensor.to(device) for tensor in next(loaded))
                waited += time.monotonic() - asked
                parts.begin(part)
                with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                    embedded = embed(pieces_of(x, config))
                parts.end(part)
                embedded = embedded.float()
                loss = loss_of(as_compared(embedded, labels, config), labels) / len(parts.mine)
                loss.backward()
                mine["total"] += float(loss.detach())
                mine["spread"] += float(embedded.detach().std(dim=0).mean()) / len(parts.mine)
            ranks.average_gradients(both)
            torch.nn.utils.clip_grad_norm_(trained, config.max_grad_norm)
            optimizer.step()
            mine["seconds"] = time.monotonic() - began
            if keeping.steps and (step + 1) % keeping.steps == 0 and step + 1 < n_steps:
                keep(epoch, step + 1)
            now, n_done = time.monotonic(), (epoch - 1) * n_steps + step + 1
            speed = (n_done - n_before) / (now - started)
            speaker.now_and_then(
                "progress", epoch=epoch, n_epochs=config.epochs, step=step + 1, n_steps=n_steps,
                loss=mine["total"] / (step + 1), waiting=waited / (now - began),
                triplets_per_s=speed * len(batches[0]) * parts.n,
                eta_s=(config.epochs * n_steps - n_done) / speed,
            )  # fmt: skip
        figures = torch.tensor(
            [mine["total"] / n_steps, mine["spread"] / n_steps], dtype=torch.float64
        )
        mean_loss, std = (float(v) for v in ranks.average(figures, f"figures{epoch}"))
        parts.average(f"statistics{epoch}")
        validation = evaluate(network, config, data, parts, speaker)
        hashes = ranks.gather(checkpoints.hash_of(dict(both.named_parameters())), f"hash{epoch}")
        row = {
            "epoch": epoch, "loss": mean_loss, **validation, "embedding_std": std, "learning_rate": rate,
            "n_triplets": n_steps * len(of_parts[0][0]) * parts.n, "n_ranks": ranks.size,
            "seconds": time.monotonic() - began, "parameters_hash": hashes[0],
        }  # fmt: skip
        history.append(row)
        _check(row, hashes)
        first_step, mine = 0, dict.fromkeys(mine, 0.0)
        keep(epoch, 0)
        if ranks.rank == 0:
            speaker.say("epoch", **row)
            width = std * math.sqrt(embedded.shape[1])
            if width < NARROW:
                speaker.say("warning", text=_narrow(epoch, width))
    if isinstance(network, networks.CoverNet):  # on every rank the same, by the same recordings
        network.eval()
        whiten(network, (x.to(device) for x in _some(config, data, speaker)))
    return network.state_dict()


def _some(config: TrainConfig, data: Data, speaker: Speaker) -> Iterator[torch.Tensor]:
    """Yield crops (B, n_bins, T) of up to `WHITENED_BY` training pairs, evenly out of all, unchanged."""
    n = len(data.train)
    chosen = np.unique(np.linspace(0, n - 1, min(n, WHITENED_BY)).astype(int))
    for first in range(0, len(chosen), 32):
        speaker.now_and_then()
        indices = chosen[first : first + 32]
        x, _ = load_batch(
            data.store, data.train, indices, config, epoch=0, vary=False, negatives=False
        )
        yield x.flatten(0, 1)


def _has_bfloat16(device: torch.device, *, compiled: bool) -> bool:
    """Tell whether bfloat16 makes steps faster here; on a CPU, plain operations gain little by it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return compiled and (
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def learning_rate(config: TrainConfig, step: int, n_steps: int) -> float:
    """Return the rate of a step: constant, or a short warm-up and then a cosine to zero."""
    if config.schedule == "constant":
        return config.learning_rate
    warm_up = max(1, n_steps // 20)
    if step < warm_up:
        return config.learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, n_steps - warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def pieces_of(x: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """Return what the network embeds of (k, B, n_bins, T) crops: those, or each cut in segments."""
    if config.loss != "clews":
        return x.flatten(0, 1)
    length = x.shape[-1] // config.segments
    cut = x[..., : length * config.segments].unflatten(-1, (config.segments, length))
    return cut.movedim(-2, 2).flatten(0, 2)


def as_compared(embedded: torch.Tensor, labels: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """Return embeddings of `pieces_of` by their place: (k, B, d), or (k, B, segments, d)."""
    n = (config.segments,) if config.loss == "clews" else ()
    return embedded.reshape(*labels.shape, *n, -1)


@torch.no_grad()
def evaluate(
    network: nn.Module, config: TrainConfig, data: Data, parts: Parts, speaker: Speaker
) -> dict[str, float | None]:
    """Return the metric loss and nearest-neighbour accuracy on validation triplets, over all parts."""
    if len(data.validation) < parts.n:
        return {"validation_loss": None, "validation_nn_accuracy": None}
    network.eval()
    device, n_transpositions = (
        next(network.parameters()).device,
        networks.n_transpositions_of(network),
    )
    loss_of = losses.MetricLoss(config, n_transpositions)
    sums = torch.zeros(3, dtype=torch.float64)
    for part in parts.mine:
        mine = np.arange(len(data.validation))[part :: parts.n][:512]
        for first in range(0, len(mine), config.batch_size):
            speaker.now_and_then()
            indices = mine[first : first + config.batch_size]
            x, labels = load_batch(
                data.store, data.validation, indices, config, epoch=0, vary=False
            )
            x, labels = x.to(device), labels.to(device)
            embedded = network(x.flatten(0, 1)).reshape(*labels.shape, -1)
            near, far = (
                paired_distance(embedded[0], other, n_transpositions) for other in embedded[1:]
            )
            if config.loss == "clews":
                embedded = as_compared(network(pieces_of(x, config)), labels, config)
            loss = loss_of(embedded, labels)
            right = (near < far).double() + 0.5 * (near == far).double()
            sums += torch.tensor([float(loss) * len(indices), float(right.sum()), len(indices)])
    loss_sum, right_sum, n = (float(v) for v in parts.ranks.average(sums, "validation"))
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


def _narrow(epoch: int, width: float) -> str:
    return (
        f"embeddings must fill their sphere, got {width:.1%} of its width in epoch {epoch}: they are "
        "about to collapse; lower --learning-rate, take --loss supcon or ntxent, or a larger "
        "--batch-size"
    )


def _stale(history: list[dict], patience: int) -> bool:
    """Tell whether validation accuracy has not risen for ``patience`` epochs."""
    if not history:
        return False
    accuracies = [h["validation_nn_accuracy"] or 0.0 for h in history]
    return len(accuracies) - 1 - int(np.argmax(accuracies)) >= patience
