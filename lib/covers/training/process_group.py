"""The few collective operations that training needs, by Horovod or by torch.distributed.

*Conventions.* Every rank calls every operation in the same order. ``average`` of a number or a
tensor is the mean over ranks.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch


class Ranks(Protocol):
    """A process among its fellows."""

    rank: int
    size: int

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the mean over ranks."""

    def gather(self, value: Any, name: str) -> list:
        """Return the values of all ranks, in rank order."""

    def share_weights(self, network: torch.nn.Module) -> None:
        """Give rank 0's weights to all."""

    def average_gradients(self, network: torch.nn.Module) -> None:
        """Put the mean over ranks in place of every gradient."""

    def close(self) -> None:
        """Leave."""


class Alone:
    """One process, no fellows."""

    rank, size = 0, 1

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the value."""
        return value

    def gather(self, value: Any, name: str) -> list:
        """Return the value in a list."""
        return [value]

    def share_weights(self, network: torch.nn.Module) -> None:
        """Do nothing."""

    def average_gradients(self, network: torch.nn.Module) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Several(Alone):
    """Ranks that average gradients in one message.

    One for each of covernet's 33 tensors (DDP without buckets, Horovod's DistributedOptimizer, which
    fuses what comes within a cycle) left two ranks on two cores hardly faster than one (docs/training.md).
    """

    def average_gradients(self, network: torch.nn.Module) -> None:
        """Put the mean over ranks in place of every gradient."""
        found = [p.grad for p in network.parameters() if p.grad is not None]
        together = self.average(torch.cat([gradient.flatten() for gradient in found]), "gradients")
        means = together.split([gradient.numel() for gradient in found])
        for gradient, mean in zip(found, means, strict=True):
            gradient.copy_(mean.view_as(gradient))


class Horovod(Several):
    """Ranks started by horovodrun or horovod.spark.

    A Horovod built with NCCL averages on the GPUs. One built without (environment/setup.sh's) refuses
    what lies there: tensors then go through the CPU's memory.
    """

    def __init__(self) -> None:
        import horovod.torch as hvd

        hvd.init()
        self.hvd, self.rank, self.size = hvd, hvd.rank(), hvd.size()

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the mean over ranks."""
        mean = self.hvd.allreduce(self._taken(value), name=name, op=self.hvd.Average)
        return mean.to(value.device)

    def gather(self, value: Any, name: str) -> list:
        """Return the values of all ranks."""
        return self.hvd.allgather_object(value, name=name)

    def share_weights(self, network: torch.nn.Module) -> None:
        """Give rank 0's weights to all.

        Not the optimizer's state, which is empty or from one checkpoint on all ranks: Horovod fills an
        empty one by a step of zero gradients, which decays the weights and counts as a step to Adam.
        """
        for name, tensor in network.state_dict().items():
            shared = self.hvd.broadcast(self._taken(tensor), root_rank=0, name=f"weights-{name}")
            tensor.copy_(shared)

    def close(self) -> None:
        """Shut Horovod down."""
        self.hvd.shutdown()

    def _taken(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor where this Horovod can take it."""
        return tensor if self.hvd.nccl_built() else tensor.cpu()


class TorchDistributed(Several):
    """Ranks started by TorchDistributor (torchrun's variables are set)."""

    def __init__(self) -> None:
        import torch.distributed as dist

        if not dist.is_initialized():
            # Figures and what ranks tell one another lie in the CPU's memory, gradients on the device.
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        self.dist, self.rank, self.size = dist, dist.get_rank(), dist.get_world_size()

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the mean over ranks."""
        total = value.clone()
        self.dist.all_reduce(total)
        return total / self.size

    def gather(self, value: Any, name: str) -> list:
        """Return the values of all ranks."""
        found: list = [None] * self.size
        self.dist.all_gather_object(found, value)
        return found

    def share_weights(self, network: torch.nn.Module) -> None:
        """Give rank 0's weights to all."""
        for tensor in network.state_dict().values():
            self.dist.broadcast(tensor, 0)

    def close(self) -> None:
        """Leave the group."""
        self.dist.destroy_process_group()


def join(backend: str) -> Ranks:
    """Return this process's ranks; ``alone`` is one process without a launcher.

    Raises
    ------
    ValueError
        If the backend is unknown.
    """
    if backend in ("horovod", "horovod-spark"):
        return Horovod()
    if backend == "torch-distributor":
        return TorchDistributed()
    if backend == "alone":
        return Alone()
    raise ValueError(
        f"backend must be horovod, horovod-spark, torch-distributor or alone, got {backend!r}"
    )
