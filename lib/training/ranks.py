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

    def wrap(
        self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, *, passes: int
    ) -> Any:
        """Return an optimizer whose step sees the averaged gradients of so many backward passes of
        every rank; weights start equal.
        """

    def finish_gradients(self, network: torch.nn.Module, optimizer: Any) -> None:
        """Wait until the gradients are averaged (called before clipping)."""

    def step(self, optimizer: Any) -> None:
        """Take the optimizer's step."""

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

    def wrap(
        self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, *, passes: int
    ) -> Any:
        """Return the optimizer."""
        return optimizer

    def finish_gradients(self, network: torch.nn.Module, optimizer: Any) -> None:
        """Do nothing."""

    def step(self, optimizer: Any) -> None:
        """Take the optimizer's step."""
        optimizer.step()

    def close(self) -> None:
        """Do nothing."""


class Horovod(Alone):
    """Ranks started by horovodrun or horovod.spark.

    A Horovod built with NCCL averages on the GPUs. One built without (environment/setup.sh's) refuses
    what lies there: tensors then go through the CPU's memory.
    """

    def __init__(self) -> None:
        import horovod.torch as hvd

        hvd.init()
        self.hvd, self.rank, self.size = hvd, hvd.rank(), hvd.size()
        self.of_optimizer = (
            True  # who averages gradients: Horovod's optimizer, or `finish_gradients`
        )

    def average(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """Return the mean over ranks."""
        mean = self.hvd.allreduce(self._taken(value), name=name, op=self.hvd.Average)
        return mean.to(value.device)

    def gather(self, value: Any, name: str) -> list:
        """Return the values of all ranks."""
        return self.hvd.allgather_object(value, name=name)

    def wrap(
        self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, *, passes: int
    ) -> Any:
        """Return Horovod's DistributedOptimizer, where it takes the gradients as they lie; rank 0's
        weights go to all.

        Not the optimizer's state, which is empty or from one checkpoint on all ranks: Horovod fills an
        empty one by a step of zero gradients, which decays the weights and counts as a step to Adam.
        """
        for name, tensor in network.state_dict().items():
            tensor.copy_(
                self.hvd.broadcast(self._taken(tensor), root_rank=0, name=f"weights-{name}")
            )
        trained = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
        self.of_optimizer = all(self._taken(p) is p for _, p in trained)
        if not self.of_optimizer:
            return optimizer
        return self.hvd.DistributedOptimizer(
            optimizer,
            named_parameters=trained,
            op=self.hvd.Average,
            backward_passes_per_step=passes,
        )

    def finish_gradients(self, network: torch.nn.Module, optimizer: Any) -> None:
        """Wait for Horovod's allreduce."""
        if self.of_optimizer:
            optimizer.synchronize()
            return
        found = [p.grad for p in network.parameters() if p.grad is not None]
        means = self.hvd.grouped_allreduce(
            [self._taken(gradient) for gradient in found], name="gradients", op=self.hvd.Average
        )
        for gradient, mean in zip(found, means, strict=True):
            gradient.copy_(mean)

    def step(self, optimizer: Any) -> None:
        """Take the step; the gradients are averaged already."""
        if self.of_optimizer:
            with optimizer.skip_synchronize():
                optimizer.step()
        else:
            optimizer.step()

    def close(self) -> None:
        """Shut Horovod down."""
        self.hvd.shutdown()

    def _taken(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor where this Horovod can take it."""
        return tensor if self.hvd.nccl_built() else tensor.cpu()


class TorchDistributed(Alone):
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

    def wrap(
        self, network: torch.nn.Module, optimizer: torch.optim.Optimizer, *, passes: int
    ) -> Any:
        """Return the optimizer; rank 0's weights go to all."""
        for tensor in network.state_dict().values():
            self.dist.broadcast(tensor, 0)
        return optimizer

    def finish_gradients(self, network: torch.nn.Module, optimizer: Any) -> None:
        """Average the gradients."""
        for parameter in network.parameters():
            if parameter.grad is not None:
                self.dist.all_reduce(parameter.grad)
                parameter.grad /= self.size

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
