"""The losses behind one option; where pytorch-metric-learning has them, they are its.

References
----------
Schroff et al. "FaceNet." 2015 (triplet). Hermans et al. "In defense of the triplet loss." 2017
(batch hard). Khosla et al. "Supervised contrastive learning." 2020. Sohn. "N-pair loss." 2016. Zhai, Wu.
"Classification is a strong baseline for deep metric learning." 2019 (classes).
"""

from __future__ import annotations

import torch
from pytorch_metric_learning import losses, miners
from torch import nn

from lib.training.config import TrainConfig
from lib.training.distances import BestRoll, paired_distance


def triplet_loss(
    anchor: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
    *,
    margin: float,
    n_rolls: int,
) -> torch.Tensor:
    """Return mean max(0, d(a, p) - d(a, n) + margin): ``TripletMarginLoss(margin, p=2)``."""
    near = paired_distance(anchor, positive, n_rolls)
    far = paired_distance(anchor, negative, n_rolls)
    return (near - far + margin).clamp(min=0).mean()


class MetricLoss(nn.Module):
    """The loss of `config.loss` over anchors, positives and negatives; it has no weights."""

    def __init__(self, config: TrainConfig, n_rolls: int) -> None:
        super().__init__()
        self.config, self.n_rolls, nearness = config, n_rolls, BestRoll(n_rolls)
        self.miner = miners.BatchHardMiner(distance=nearness)
        if config.loss == "batch_hard":
            self.over_batch = losses.TripletMarginLoss(margin=config.margin, distance=nearness)
        elif config.loss == "ntxent":
            self.over_batch = losses.NTXentLoss(config.temperature, distance=nearness)
        else:
            self.over_batch = losses.SupConLoss(config.temperature, distance=nearness)

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of (3, B, d) embeddings and (3, B) labels; without negatives 2, not 3."""
        if self.config.loss == "triplet":
            anchor, positive, negative = embedded
            return triplet_loss(
                anchor, positive, negative, margin=self.config.margin, n_rolls=self.n_rolls
            )
        flat, of_flat = embedded.flatten(0, 1), labels.flatten()
        mined = self.miner(flat, of_flat) if self.config.loss == "batch_hard" else None
        return self.over_batch(flat, of_flat, mined)


class WithClasses(nn.Module):
    """A metric loss, and cross-entropy over all labels of the training at once.

    Every label has a vector; an embedding's logits are its similarities to them, for covernet at the
    best roll. A batch holds few works, the vectors stand for all of them.
    """

    def __init__(self, config: TrainConfig, n_rolls: int, n_labels: int, size: int) -> None:
        super().__init__()
        self.metric, self.weight = MetricLoss(config, n_rolls), config.class_weight
        self.classes = losses.NormalizedSoftmaxLoss(
            n_labels, size, config.temperature, distance=BestRoll(n_rolls)
        )

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum; as `MetricLoss` takes it."""
        of_classes = self.classes(embedded.flatten(0, 1), labels.flatten())
        return self.metric(embedded, labels) + self.weight * of_classes


def build(config: TrainConfig, n_rolls: int, n_labels: int, size: int) -> nn.Module:
    """Return the loss of a training over ``n_labels`` labels, of embeddings of ``size`` numbers."""
    if config.class_weight:
        return WithClasses(config, n_rolls, n_labels, size)
    return MetricLoss(config, n_rolls)
