"""The training loop, read top to bottom; one process of possibly many runs it.

*Conventions.* A step takes the same global batch, in the same micro-batches, whatever the number of
ranks; loss and accuracy are means over all ranks. Each epoch ends with a checkpoint. A training that is
resumed takes the very steps that an uninterrupted one would have taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import nn

from covers.errors import TrainingFailed
from covers.models import factory
from covers.models.covernet import CoverNet
from covers.models.similarity import paired_distance
from covers.training import checkpoints, losses
from covers.training.batching import BatchOrder, load_batch, prefetch
from covers.training.checkpoints import CheckpointConfig
from covers.training.config import TrainConfig
from covers.training.dataset import Triplets
from covers.training.heartbeat import ProgressWriter
from covers.training.micro_batches import MicroBatches
from covers.training.process_group import ProcessGroup
from covers.training.state import TrainingState

MIN_STD = 1e-4  # mean standard deviation of an embedding's coordinates; 0.02 to 0.1 is healthy
MIN_WIDTH = 0.1  # that, times the root of their number: 1 where embeddings fill the sphere
N_WHITENING_PAIRS = 2048
_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@dataclass(frozen=True)
class TrainingData:
    """What a training sees."""

    train: Triplets
    validation: Triplets


def train(
    config: TrainConfig,
    data: TrainingData,
    group: ProcessGroup,
    checkpointing: CheckpointConfig,
    progress: ProgressWriter,
) -> dict[str, torch.Tensor]:
    """Train a network and return its weights.

    Parameters
    ----------
    config : TrainConfig
    data : TrainingData
    group : ProcessGroup
    checkpointing : CheckpointConfig
    progress : ProgressWriter
        Gets progress, the metrics of epochs, and warnings.

    Raises
    ------
    TrainingFailed
        If the loss is not finite, the embeddings collapse, or the ranks' weights differ.
    ValueError
        If the ranks cannot share a batch equally, or the triplets do not fill a batch.
    """
    torch.manual_seed(config.seed)
    device = _device(group)
    use_bfloat16 = config.mixed_precision and _has_bfloat16(device, compiled=config.compile)
    network = factory.build(config.architecture, init_weights=config.init_weights).to(device)
    forward = torch.compile(network) if config.compile else network
    size = math.prod(factory.embedding_shape(network))
    n_labels = 1 + int(data.train.labels.max())
    n_transpositions = factory.n_transpositions_of(network)
    loss_of = losses.build(config, n_transpositions, n_labels, size).to(device)
    model = nn.ModuleDict({"network": network, "loss": loss_of})  # some losses have weights, too
    trained = [p for p in model.parameters() if p.requires_grad]
    # Every step sets the learning rate.
    optimizer = _OPTIMIZERS[config.optimizer](trained, weight_decay=config.weight_decay)
    checkpoint = checkpoints.load_newest(checkpointing.folder) if checkpointing.resume else None
    state = TrainingState(model, optimizer, group, config.micro_batches, checkpoint)
    micro_batches = state.micro_batches
    order = BatchOrder.from_config(config, data.train.labels[:, 0], micro_batches.n)
    n_steps = _count_steps(order)
    n_resumed, started = len(state.epochs) * n_steps + state.step, time.monotonic()
    for epoch in range(len(state.epochs) + 1, config.epochs + 1):
        if config.patience and _epochs_without_gain(state.epochs) >= config.patience:
            break
        began, waited = time.monotonic() - state.sums["seconds"], 0.0
        model.train()
        by_number = [order.indices(epoch=epoch, micro_batch=m) for m in micro_batches.local]
        batches = [steps[step] for step in range(state.step, n_steps) for steps in by_number]
        load = partial(
            load_batch, data.train, config=config, epoch=epoch, augment=config.augment,
            negatives=config.own_negatives,
        )  # fmt: skip
        loaded = prefetch(load, batches)
        for step in range(state.step, n_steps):
            rate = learning_rate(config, (epoch - 1) * n_steps + step, config.epochs * n_steps)
            for parameters in optimizer.param_groups:
                parameters["lr"] = rate
            optimizer.zero_grad()
            for number in micro_batches.local:
                asked = time.monotonic()
                x, labels = (tensor.to(device) for tensor in next(loaded))
                waited += time.monotonic() - asked
                micro_batches.load_statistics(number)
                with torch.autocast(device.type, torch.bfloat16, enabled=use_bfloat16):
                    embedded = forward(losses.cut_segments(x, config.segments_per_crop))
                micro_batches.store_statistics(number)
                embedded = embedded.float()
                by_crop = losses.group_embeddings(embedded, labels, config.segments_per_crop)
                loss = loss_of(by_crop, labels) / len(micro_batches.local)
                loss.backward()
                std = float(embedded.detach().std(dim=0).mean()) / len(micro_batches.local)
                state.sums["loss"] += float(loss.detach())
                state.sums["embedding_std"] += std
            group.average_gradients(model)
            torch.nn.utils.clip_grad_norm_(trained, config.max_grad_norm)
            optimizer.step()
            state.sums["seconds"] = time.monotonic() - began
            if checkpointing.is_due(step + 1) and step + 1 < n_steps:
                state.save(checkpointing.folder, epoch, step + 1)
            n_done = (epoch - 1) * n_steps + step + 1
            steps_per_s = (n_done - n_resumed) / (time.monotonic() - started)
            progress.beat(
                "progress", epoch=epoch, n_epochs=config.epochs, step=step + 1, n_steps=n_steps,
                loss=state.sums["loss"] / (step + 1), waiting=waited / state.sums["seconds"],
                triplets_per_s=steps_per_s * len(batches[0]) * micro_batches.n,
                eta_s=(config.epochs * n_steps - n_done) / steps_per_s,
            )  # fmt: skip
        metrics = _epoch_metrics(epoch, n_steps, state) | {
            "learning_rate": rate, "n_triplets": n_steps * len(batches[0]) * micro_batches.n,
            **evaluate(network, config, data.validation, micro_batches, progress),
        }  # fmt: skip
        hashes = group.gather(checkpoints.hash_of(dict(model.named_parameters())), f"hash{epoch}")
        metrics |= {"seconds": time.monotonic() - began, "parameters_hash": hashes[0]}
        _check(metrics, hashes)
        state.finish_epoch(metrics)
        state.save(checkpointing.folder, epoch)
        _report(metrics, size, group, progress)
    if config.whiten_head:  # the same on every rank: by the same recordings
        network.eval()
        crops = _whitening_crops(config, data.train, progress)
        cast(CoverNet, network).whiten_head(x.to(device) for x in crops)
    return network.state_dict()


def _count_steps(order: BatchOrder) -> int:
    if not order.n_steps:
        raise ValueError(
            f"training triplets must be at least {order.n_micro_batches} micro-batches x "
            f"{order.anchors_per_class} anchors of a class, got {len(order.labels)}; generate more, or "
            "lower micro_batches"
        )
    return order.n_steps


def _epoch_metrics(epoch: int, n_steps: int, state: TrainingState) -> dict:
    """Return loss and embedding_std as means over ranks and steps; average the statistics."""
    own = torch.tensor(
        [state.sums["loss"] / n_steps, state.sums["embedding_std"] / n_steps], dtype=torch.float64
    )
    loss, std = (float(v) for v in state.group.average(own, f"metrics{epoch}"))
    state.micro_batches.average_statistics(f"statistics{epoch}")
    return {"epoch": epoch, "loss": loss, "embedding_std": std, "n_ranks": state.group.size}


def _whitening_crops(
    config: TrainConfig, train: Triplets, progress: ProgressWriter
) -> Iterator[torch.Tensor]:
    """Yield crops (B, n_bins, T) of up to `N_WHITENING_PAIRS` pairs spread evenly, not augmented."""
    n = len(train)
    chosen = np.unique(np.linspace(0, n - 1, min(n, N_WHITENING_PAIRS)).astype(int))
    for first in range(0, len(chosen), 32):
        progress.beat()
        indices = chosen[first : first + 32]
        x, _ = load_batch(train, indices, config, epoch=0, augment=False, negatives=False)
        yield x.flatten(0, 1)


def _device(group: ProcessGroup) -> torch.device:
    """Return the GPU of this rank, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device(f"cuda:{group.rank % torch.cuda.device_count()}")


def _has_bfloat16(device: torch.device, *, compiled: bool) -> bool:
    """Return whether bfloat16 makes steps faster here; on a CPU, eager operations gain little by it."""
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
    done = (step - warm_up) / max(1, n_steps - warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


@torch.no_grad()
def evaluate(
    network: nn.Module,
    config: TrainConfig,
    validation: Triplets,
    micro_batches: MicroBatches,
    progress: ProgressWriter,
) -> dict[str, float | None]:
    """Return metric loss and triplet accuracy on up to 512 validation triplets a micro-batch.

    The accuracy is the share of triplets with the positive nearer than the negative, a tie counting
    half. Both are None where there are fewer triplets than micro-batches.
    """
    if len(validation) < micro_batches.n:
        return {"validation_loss": None, "validation_triplet_accuracy": None}
    network.eval()
    device = next(network.parameters()).device
    n_transpositions = factory.n_transpositions_of(network)
    loss_of, n_segments = losses.build_metric(config, n_transpositions), config.segments_per_crop
    sums = torch.zeros(3, dtype=torch.float64)
    for number in micro_batches.local:
        own = np.arange(len(validation))[number :: micro_batches.n][:512]
        for first in range(0, len(own), config.batch_size):
            progress.beat()
            indices = own[first : first + config.batch_size]
            x, labels = load_batch(validation, indices, config, epoch=0, augment=False)
            x, labels = x.to(device), labels.to(device)
            embedded = losses.group_embeddings(network(x.flatten(0, 1)), labels, 1)
            to_positive, to_negative = (
                paired_distance(embedded[0], other, n_transpositions) for other in embedded[1:]
            )
            if n_segments > 1:
                pieces = network(losses.cut_segments(x, n_segments))
                embedded = losses.group_embeddings(pieces, labels, n_segments)
            loss = loss_of(embedded, labels)
            correct = (to_positive < to_negative).double()
            correct += 0.5 * (to_positive == to_negative).double()
            sums += torch.tensor([float(loss) * len(indices), float(correct.sum()), len(indices)])
    loss_sum, n_correct, n = (float(v) for v in micro_batches.group.average(sums, "validation"))
    return {"validation_loss": loss_sum / n, "validation_triplet_accuracy": n_correct / n}


def _check(metrics: dict, hashes: list[str]) -> None:
    epoch = metrics["epoch"]
    if not math.isfinite(metrics["loss"]):
        raise TrainingFailed(
            f"loss must be finite, got {metrics['loss']} in epoch {epoch}; lower --learning-rate"
        )
    if metrics["embedding_std"] < MIN_STD:
        raise TrainingFailed(
            f"embeddings must differ, got standard deviation {metrics['embedding_std']:.2g} in epoch "
            f"{epoch}: they collapsed; lower --learning-rate or use --loss supcon"
        )
    if len(set(hashes)) > 1:
        raise TrainingFailed(f"weights must be equal on all ranks, got {hashes} in epoch {epoch}")


def _report(metrics: dict, size: int, group: ProcessGroup, progress: ProgressWriter) -> None:
    """Write an epoch's metrics by rank 0, and a warning where embeddings are about to collapse."""
    if group.rank != 0:
        return
    progress.write("epoch", **metrics)
    width = metrics["embedding_std"] * math.sqrt(size)
    if width < MIN_WIDTH:
        text = (
            f"embeddings must fill their sphere, got {width:.1%} of its width in epoch "
            f"{metrics['epoch']}: they are about to collapse; lower --learning-rate, use --loss supcon "
            "or ntxent, or a larger --batch-size"
        )
        progress.write("warning", text=text)


def _epochs_without_gain(epochs: list[dict]) -> int:
    """Return for how many epochs the validation triplet accuracy has not risen."""
    if not epochs:
        return 0
    accuracies = [e["validation_triplet_accuracy"] or 0.0 for e in epochs]
    return len(accuracies) - 1 - int(np.argmax(accuracies))
