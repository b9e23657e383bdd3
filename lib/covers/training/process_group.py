"""The few collective operations that training needs, by Horovod or by torch.distributed.

*Conventions.* Every rank calls every operation in the same order. ``average`` is the mean over ranks.
Horovod matches calls on different ranks by ``name``.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch


class ProcessGroup(Protocol):
    """The processes of one training; this one has number ``rank`` of ``size``."""

    rank: int
    size: int

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the mean of a tensor over ranks."""

    def gather(self, value: Any, name: str) -> list:
        """Return the values of all ranks, in rank order."""

    def broadcast_weights(self, model: torch.nn.Module) -> None:
        """Copy rank 0's weights and buffers to all ranks."""

    def average_gradients(self, model: torch.nn.Module) -> None:
        """Replace every gradient by its mean over ranks."""

    def close(self) -> None:
        """Leave the group."""


class SingleProcess:
    """One process without a launcher."""

    rank, size = 0, 1

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the value."""
        return value

    def gather(self, value: Any, name: str) -> list:
        """Return the value in a list."""
        return [value]

    def broadcast_weights(self, model: torch.nn.Module) -> None:
        """Do nothing."""

    def average_gradients(self, model: torch.nn.Module) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class FusedGradients(SingleProcess):
    """Averages all gradients in one message.

    One message for each of CoverNet's 33 tensors (DDP without buckets, Horovod's DistributedOptimizer,
    which fuses what arrives within a cycle) left two ranks on two cores hardly faster than one
    (docs/training.md).
    """

    def average_gradients(self, model: torch.nn.Module) -> None:
        """Replace every gradient by its mean over ranks."""
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        fused = self.average(torch.cat([g.flatten() for g in gradients]), "gradients")
        means = fused.split([g.numel() for g in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))


class HorovodGroup(FusedGradients):
    """Processes started by horovodrun or horovod.spark.

    A Horovod built with NCCL averages on the GPUs. One built without (environment/setup.sh builds it so)
    refuses tensors on a GPU: they then go through the CPU's memory.
    """

    def __init__(self) -> None:
        import horovod.torch as hvd

        hvd.init()
        self.hvd, self.rank, self.size = hvd, hvd.rank(), hvd.size()

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the mean over ranks, on the tensor's own device."""
        mean = self.hvd.allreduce(self._movable(value), name=name, op=self.hvd.Average)
        return mean.to(value.device)

    def gather(self, value: Any, name: str) -> list:
        """Return the values of all ranks."""
        return self.hvd.allgather_object(value, name=name)

    def broadcast_weights(self, model: torch.nn.Module) -> None:
        """Copy rank 0's weights and buffers to all ranks.

        Not the optimizer's state, which is empty, or from one checkpoint on all ranks: Horovod fills an
        empty one by a step of zero gradients, which decays the weights and counts as a step to Adam.
        """
        for name, tensor in model.state_dict().items():
            shared = self.hvd.broadcast(self._movable(tensor), root_rank=0, name=f"weights-{name}")
            tensor.copy_(shared)

    def close(self) -> None:
        """Shut Horovod down."""
        self.hvd.shutdown()

    def _movable(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor on a device that this Horovod can send from."""
        return tensor if self.hvd.nccl_built() else tensor.cpu()


class TorchGroup(FusedGradients):
    """Processes started by TorchDistributor, which sets torchrun's variables."""

    def __init__(self) -> None:
        import torch.distributed as dist

        if not dist.is_initialized():
            # Metrics and gathered objects are in the CPU's memory, gradients on the device.
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

    def broadcast_weights(self, model: torch.nn.Module) -> None:
        """Copy rank 0's weights and buffers to all ranks."""
        for tensor in model.state_dict().values():
            self.dist.broadcast(tensor, 0)

    def close(self) -> None:
        """Leave the group."""
        self.dist.destroy_process_group()


_GROUPS: dict[str, type[SingleProcess]] = {
    "horovod": HorovodGroup,
    "horovod-spark": HorovodGroup,
    "torch-distributor": TorchGroup,
    "single": SingleProcess,
}


def init_process_group(backend: str) -> ProcessGroup:
    """Join the processes that a backend started; ``single`` is one process without a launcher.

    Raises
    ------
    ValueError
        If the backend is unknown.
    """
    if backend not in _GROUPS:
        raise ValueError(f"backend must be one of {', '.join(_GROUPS)}, got {backend!r}")
    return _GROUPS[backend]()
