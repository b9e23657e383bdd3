"""Micro-batches: a batch in equal pieces, as many whatever the number of ranks, with ghost batch norm.

*Conventions.* Each micro-batch is normalised and compared by itself, as it is on the ranks of Horovod
and DDP. A rank computes one, or several one after the other, and gradients are averaged over all: two
micro-batches on one rank and one on each of two ranks are the same training. Each has batch-norm
statistics (running mean and variance) of its own; they are averaged over all micro-batches before the
network is evaluated or saved at the end of an epoch.

References
----------
Hoffer, Hubara, Soudry. "Train longer, generalize better." NeurIPS 2017 (ghost batch norm).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from covers.training.process_group import ProcessGroup

Buffers = dict[str, torch.Tensor]


class MicroBatches:
    """The micro-batches of every batch that this rank computes, and the statistics of each.

    Parameters
    ----------
    model : nn.Module
        Its persistent buffers are the statistics.
    group : ProcessGroup
    n : int
        Micro-batches of a batch, over all ranks; 0 is one for every rank.

    Attributes
    ----------
    local : range
        Numbers of the micro-batches that this rank computes.
    statistics : list of dict
        The buffers of each of them.

    Raises
    ------
    ValueError
        If the ranks cannot share the micro-batches equally.
    """

    def __init__(self, model: nn.Module, group: ProcessGroup, n: int) -> None:
        self.n, self.group = n or group.size, group
        if self.n % group.size:
            raise ValueError(
                f"micro_batches must be a multiple of the ranks, got {self.n} for {group.size} ranks"
            )
        n_local = self.n // group.size
        self.local = range(n_local * group.rank, n_local * (group.rank + 1))
        persistent = model.state_dict()
        self.buffers = {k: persistent[k] for k, _ in model.named_buffers() if k in persistent}
        self.statistics = [self._copy() for _ in self.local]

    def load_statistics(self, number: int) -> None:
        """Put the statistics of a micro-batch into the model, before its forward pass."""
        if len(self.local) > 1:
            self._set(self.statistics[number - self.local.start])

    def store_statistics(self, number: int) -> None:
        """Take the statistics out of the model, after the forward pass."""
        several = len(self.local) > 1
        self.statistics[number - self.local.start] = self._copy() if several else self.buffers

    def restore(self, statistics: Sequence[Buffers]) -> None:
        """Take over the statistics of all ``n`` micro-batches, as a checkpoint holds them."""
        self.statistics = [statistics[number] for number in self.local]
        self._set(self.statistics[0])

    def average_statistics(self, name: str) -> None:
        """Give every micro-batch, and the model, the mean over all; ``name`` is the collective's."""
        for key, buffer in self.buffers.items():
            if buffer.is_floating_point():
                mean = torch.stack([own[key] for own in self.statistics]).mean(dim=0)
                buffer.copy_(self.group.average(mean, f"{name}-{key}"))
        self.statistics = [self._copy() for _ in self.local]

    def _copy(self) -> Buffers:
        return {key: buffer.clone() for key, buffer in self.buffers.items()}

    def _set(self, statistics: Buffers) -> None:
        for key, buffer in self.buffers.items():
            buffer.copy_(statistics[key])
