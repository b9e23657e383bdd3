"""A batch in parts, as many whatever the number of ranks; the running statistics of each.

*Conventions.* Each part of a batch is normalised and compared for itself, as Horovod's and DDP's ranks do.
A rank takes one part, or several one after the other, and gradients are averaged over all parts: two parts
on one rank and one on each of two are the same training. Running statistics (batch norm's) are kept by
part, and are averaged over all parts before the network is judged or kept at the end of an epoch.

References
----------
Hoffer, Hubara, Soudry. "Train longer, generalize better." NeurIPS 2017 (ghost batch norm: statistics of
parts of a batch).
"""

from __future__ import annotations

import torch
from torch import nn

from covers.training.process_group import Ranks

Buffers = dict[str, torch.Tensor]


class Parts:
    """Parts of every batch that this rank takes, each with running statistics of its own.

    Raises
    ------
    ValueError
        If the ranks cannot share the parts equally.
    """

    def __init__(self, network: nn.Module, ranks: Ranks, n: int) -> None:
        self.n, self.ranks = n or ranks.size, ranks
        if self.n % ranks.size:
            raise ValueError(
                f"parts must be a multiple of the ranks, got {self.n} parts and {ranks.size} ranks"
            )
        self.mine = range(
            self.n // ranks.size * ranks.rank, self.n // ranks.size * (ranks.rank + 1)
        )
        persistent = network.state_dict()
        self.buffers = {k: persistent[k] for k, _ in network.named_buffers() if k in persistent}
        self.held = [self._copy() for _ in self.mine]

    def begin(self, part: int) -> None:
        """Take up a part's statistics; its forward pass follows."""
        if len(self.mine) > 1:
            self._set(self.held[part - self.mine.start])

    def end(self, part: int) -> None:
        """Put them away again."""
        self.held[part - self.mine.start] = self._copy() if len(self.mine) > 1 else self.buffers

    def restore(self, of_all: list[Buffers]) -> None:
        """Go on with the statistics of all parts, as a checkpoint kept them."""
        self.held = [of_all[part] for part in self.mine]
        self._set(self.held[0])

    def average(self, name: str) -> None:
        """Give every part, and the network, the mean over all parts."""
        for key, buffer in self.buffers.items():
            if buffer.is_floating_point():
                mean = torch.stack([held[key] for held in self.held]).mean(dim=0)
                buffer.copy_(self.ranks.average(mean, f"{name}-{key}"))
        self.held = [self._copy() for _ in self.mine]

    def _copy(self) -> Buffers:
        return {key: buffer.clone() for key, buffer in self.buffers.items()}

    def _set(self, held: Buffers) -> None:
        for key, buffer in self.buffers.items():
            buffer.copy_(held[key])
