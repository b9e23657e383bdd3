"""The losses behind one option; where pytorch-metric-learning has them, they are its.

References
----------
Schroff et al. "FaceNet." 2015 (triplet). Hermans et al. "In defense of the triplet loss." 2017
(batch hard). Khosla et al. "Supervised contrastive learning." 2020. Sohn. "N-pair loss." 2016.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_metric_learning import losses, miners

from lib.training.config import TrainConfig
from lib.training.distances import BestRoll, paired_distance

Loss = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor
]


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


def build(config: TrainConfig, n_rolls: int) -> Loss:
    """Return the loss as a function of (anchor, positive, negative, label, negative_label).

    Embeddings are (B, d); labels are (B,) and tell what anchor and positive share.
    """
    if config.loss == "triplet":
        return lambda a, p, n, _, __: triplet_loss(a, p, n, margin=config.margin, n_rolls=n_rolls)
    nearness = BestRoll(n_rolls)
    miner = None
    if config.loss == "batch_hard":
        miner = miners.BatchHardMiner(distance=nearness)
        loss = losses.TripletMarginLoss(margin=config.margin, distance=nearness)
    elif config.loss == "ntxent":
        loss = losses.NTXentLoss(temperature=config.temperature, distance=nearness)
    else:
        loss = losses.SupConLoss(temperature=config.temperature, distance=nearness)

    def over_batch(
        a: torch.Tensor, p: torch.Tensor, n: torch.Tensor, label: torch.Tensor, other: torch.Tensor
    ) -> torch.Tensor:
        embeddings, labels = torch.cat([a, p, n]), torch.cat([label, label, other])
        return loss(embeddings, labels, miner(embeddings, labels) if miner else None)

    return over_batch
