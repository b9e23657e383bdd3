"""Training as if all ranks were one: batch statistics and losses over the global batch.

*Conventions.* Without this, every rank normalises and compares its own part of a batch, as Horovod
and DDP do by default, and the number of ranks is a setting of the training. With it, two ranks and
one give the same losses but for rounding. Each rank computes the loss of all embeddings, and
follows the gradient into its own: times the number of ranks, as gradients are averaged afterwards.
"""

from __future__ import annotations

import torch
from torch import nn

from lib.training import losses
from lib.training.ranks import Ranks


class Norm(nn.BatchNorm2d):
    """Batch normalisation with mean and variance over all ranks; takes the place of ``plain``."""

    def __init__(self, plain: nn.BatchNorm2d, ranks: Ranks, name: str) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum)
        self.pace = plain.momentum or 0.1
        self._parameters, self._buffers = plain._parameters, plain._buffers
        self.ranks, self.name = ranks, name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise (B, C, H, W)."""
        if not self.training:
            return super().forward(x)
        mean = self.ranks.mean_of(x.mean(dim=(0, 2, 3)), f"{self.name}.mean")
        centred = x - mean[:, None, None]
        variance = self.ranks.mean_of(centred.square().mean(dim=(0, 2, 3)), f"{self.name}.var")
        n = x.numel() // x.shape[1] * self.ranks.size
        with torch.no_grad():
            for known, new in (("running_mean", mean), ("running_var", variance * n / (n - 1))):
                self.get_buffer(known).lerp_(new, self.pace)
            self.get_buffer("num_batches_tracked").add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]


class Loss(nn.Module):
    """A loss without weights over the embeddings of all ranks."""

    def __init__(self, loss: nn.Module, ranks: Ranks) -> None:
        super().__init__()
        self.loss, self.ranks = loss, ranks

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of (3 or 2, B, d) embeddings, of B times the number of ranks."""
        n, rank = self.ranks.size, self.ranks.rank
        pairs = self.ranks.gather((embedded.detach().cpu(), labels.cpu()), "global batch")
        parts = [x.to(embedded.device) for x, _ in pairs]
        parts[rank] = embedded
        of_all = torch.cat([y.to(labels.device) for _, y in pairs], dim=1)
        loss = self.loss(torch.cat(parts, dim=1), of_all)
        return n * loss - ((n - 1) * loss).detach()


def over_all(network: nn.Module, loss: nn.Module, ranks: Ranks) -> nn.Module:
    """Let the network's norms see all ranks, in place; return the loss that does."""
    for name, module in list(network.named_modules()):
        for inside, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, inside, Norm(child, ranks, f"{name}.{inside}"))
    if isinstance(loss, losses.WithClasses):  # whose cross-entropy is a mean over examples already
        loss.metric = Loss(loss.metric, ranks)  # type: ignore[assignment]
        return loss
    return Loss(loss, ranks)
