"""What a running training holds and a checkpoint keeps: weights, optimizer, statistics, metrics."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from covers.training import checkpoints
from covers.training.checkpoints import Checkpoint
from covers.training.micro_batches import MicroBatches
from covers.training.process_group import ProcessGroup


class TrainingState:
    """The state of a training on one rank, new or from a checkpoint.

    Parameters
    ----------
    model : nn.Module
        Network and loss.
    optimizer : torch.optim.Optimizer
    group : ProcessGroup
    n_micro_batches : int
        See `MicroBatches`.
    checkpoint : Checkpoint or None
        Where to resume.

    Attributes
    ----------
    micro_batches : MicroBatches
    epochs : list of dict
        Metrics of the finished epochs.
    step : int
        Steps taken of the epoch that is running.
    sums : dict of str to float
        Of this epoch's steps, on this rank: loss, embedding_std, and seconds.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, group: ProcessGroup,
        n_micro_batches: int, checkpoint: Checkpoint | None = None,
    ) -> None:  # fmt: skip
        self.model, self.optimizer, self.group = model, optimizer, group
        self.epochs: list[dict] = []
        self.step = 0
        self.sums = {"loss": 0.0, "embedding_std": 0.0, "seconds": 0.0}
        if checkpoint:
            model.load_state_dict(checkpoint.weights)
        self.micro_batches = MicroBatches(model, group, n_micro_batches)
        group.broadcast_weights(model)
        if checkpoint:
            self._resume(checkpoint)

    def _resume(self, checkpoint: Checkpoint) -> None:
        self.epochs, self.step = checkpoint.epochs, checkpoint.step
        self.optimizer.load_state_dict(checkpoint.optimizer)
        statistics = [own for rank in checkpoint.ranks for own in rank["statistics"]]
        if len(statistics) == self.micro_batches.n:  # otherwise all start from the model's
            self.micro_batches.restore(statistics)
        sums = [rank["sums"] for rank in checkpoint.ranks]
        if len(sums) == self.group.size:
            self.sums = sums[self.group.rank]
        else:  # resumed on another number of ranks: metrics are means over ranks
            self.sums = {key: sum(s[key] for s in sums) / len(sums) for key in self.sums}

    def finish_epoch(self, metrics: dict) -> None:
        """Add an epoch's metrics, and start the next epoch's sums."""
        self.epochs.append(metrics)
        self.step, self.sums = 0, dict.fromkeys(self.sums, 0.0)

    def save(self, folder: Path, epoch: int, step: int = 0) -> None:
        """Write a checkpoint by rank 0; every rank must call. ``step`` 0 is the end of the epoch."""
        statistics = [{k: v.cpu() for k, v in own.items()} for own in self.micro_batches.statistics]
        own = {"sums": self.sums, "statistics": statistics}
        ranks = self.group.gather(own, f"checkpoint{epoch}-{step}")
        if self.group.rank == 0:
            weights, optimizer = self.model.state_dict(), self.optimizer.state_dict()
            checkpoints.save(
                folder, Checkpoint(epoch, weights, optimizer, self.epochs, step, ranks)
            )
