"""The losses behind one option; where pytorch-metric-learning has them, they are its.

References
----------
Schroff et al. "FaceNet." 2015 (triplet). Hermans et al. "In defense of the triplet loss." 2017
(batch hard). Khosla et al. "Supervised contrastive learning." 2020. Sohn. "N-pair loss." 2016. Zhai, Wu.
"Classification is a strong baseline for deep metric learning." 2019 (classes). Serrà, Araz, Bogdanov,
Mitsufuji. "Supervised contrastive learning from weakly-labeled audio segments for musical version
matching." ICML 2025 (CLEWS).
"""

from __future__ import annotations

import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import BaseDistance
from torch import nn

from covers.models.similarity import paired_distance, similarity_matrix
from covers.training.config import TrainConfig


class TranspositionSimilarity(BaseDistance):
    """The similarity as pytorch-metric-learning's losses want it (larger = nearer)."""

    def __init__(self, n_transpositions: int) -> None:
        super().__init__(normalize_embeddings=False, is_inverted=True)
        self.n_transpositions = n_transpositions

    def compute_mat(self, query_emb: torch.Tensor, ref_emb: torch.Tensor) -> torch.Tensor:
        """Return all similarities of queries and references."""
        return similarity_matrix(query_emb, ref_emb, self.n_transpositions)

    def pairwise_distance(self, query_emb: torch.Tensor, ref_emb: torch.Tensor) -> torch.Tensor:
        """Return row-wise similarities."""
        return 1 - paired_distance(query_emb, ref_emb, self.n_transpositions).pow(2) / 2


def triplet_loss(
    anchor: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
    *,
    margin: float,
    n_transpositions: int,
) -> torch.Tensor:
    """Return mean max(0, d(a, p) - d(a, n) + margin): ``TripletMarginLoss(margin, p=2)``."""
    near = paired_distance(anchor, positive, n_transpositions)
    far = paired_distance(anchor, negative, n_transpositions)
    return (near - far + margin).clamp(min=0).mean()


def segment_loss(
    segments: torch.Tensor, labels: torch.Tensor, *, n_transpositions: int, gamma: float, best: int
) -> torch.Tensor:
    """Return CLEWS's loss: gamma * mean d(positive) + mean log mean exp(-gamma * d(negative)).

    Two recordings of one label are as far apart as the mean of their ``best`` nearest pairs of
    segments, no segment taken twice; two of different labels as their nearest pair. d is the squared
    distance, 0 to 4, and gamma is 1 / (2 * temperature), so that the scale is that of the other losses.

    Parameters
    ----------
    segments : torch.Tensor, shape (m, n, d)
        n segments of each of m recordings, unit norm.
    labels : torch.Tensor, shape (m,)
    """
    m, n, _ = segments.shape
    flat = segments.flatten(0, 1)
    near = similarity_matrix(flat, flat, n_transpositions).reshape(m, n, m, n).transpose(1, 2)
    same = labels[:, None] == labels[None]
    pairs = torch.nonzero((same & ~torch.eye(m, dtype=torch.bool, device=same.device)).triu())
    matched = best_pairs(near[pairs[:, 0], pairs[:, 1]], best)
    align = (2 - 2 * matched).mean() if len(pairs) else near.new_zeros(())
    apart = 2 - 2 * near.flatten(2).amax(dim=2)  # (m, m): the nearest segments
    apart = apart.masked_fill(same, torch.inf)
    others = (~same).sum(dim=1)
    alone = torch.logsumexp(-gamma * apart[others > 0], dim=1) - others[others > 0].log()
    return gamma * align + alone.mean()


def best_pairs(near: torch.Tensor, best: int) -> torch.Tensor:
    """Return (p,) means of the ``best`` largest of each (n, m) of ``near``, rows and columns once."""
    _, n, m = near.shape
    left, found = near, []
    for _ in range(min(best, n, m)):
        value, at = left.flatten(1).max(dim=1)
        found.append(value)
        row, column = at // m, at % m
        taken = torch.arange(n, device=near.device)[None] == row[:, None]
        crossed = torch.arange(m, device=near.device)[None] == column[:, None]
        left = left.masked_fill(taken[:, :, None] | crossed[:, None], -torch.inf)
    return torch.stack(found).mean(dim=0)


class MetricLoss(nn.Module):
    """The loss of `config.loss` over anchors, positives and negatives; it has no weights."""

    def __init__(self, config: TrainConfig, n_transpositions: int) -> None:
        super().__init__()
        self.config, self.n_transpositions, nearness = (
            config,
            n_transpositions,
            TranspositionSimilarity(n_transpositions),
        )
        self.miner = miners.BatchHardMiner(distance=nearness)
        if config.loss == "batch_hard":
            self.over_batch = losses.TripletMarginLoss(margin=config.margin, distance=nearness)
        elif config.loss == "ntxent":
            self.over_batch = losses.NTXentLoss(config.temperature, distance=nearness)
        else:
            self.over_batch = losses.SupConLoss(config.temperature, distance=nearness)

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of (3, B, d) embeddings and (3, B) labels; without negatives 2, not 3.

        CLEWS's takes (3, B, n, d): the embeddings of ``n`` segments of each.
        """
        if self.config.loss == "clews":
            segments = embedded.reshape(labels.numel(), -1, embedded.shape[-1])
            gamma, best = 1 / (2 * self.config.temperature), self.config.best_pairs
            return segment_loss(
                segments,
                labels.flatten(),
                n_transpositions=self.n_transpositions,
                gamma=gamma,
                best=best,
            )
        if self.config.loss == "triplet":
            anchor, positive, negative = embedded
            return triplet_loss(
                anchor,
                positive,
                negative,
                margin=self.config.margin,
                n_transpositions=self.n_transpositions,
            )
        flat, of_flat = embedded.flatten(0, 1), labels.flatten()
        mined = self.miner(flat, of_flat) if self.config.loss == "batch_hard" else None
        return self.over_batch(flat, of_flat, mined)


class WithClasses(nn.Module):
    """A metric loss, and cross-entropy over all labels of the training at once.

    Every label has a vector; an embedding's logits are its similarities to them, for covernet at the
    best roll. A batch holds few works, the vectors stand for all of them.
    """

    def __init__(
        self, config: TrainConfig, n_transpositions: int, n_labels: int, size: int
    ) -> None:
        super().__init__()
        self.metric, self.weight = MetricLoss(config, n_transpositions), config.class_weight
        self.classes = losses.NormalizedSoftmaxLoss(
            n_labels, size, config.temperature, distance=TranspositionSimilarity(n_transpositions)
        )

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum; as `MetricLoss` takes it."""
        flat = embedded.reshape(-1, embedded.shape[-1])  # of CLEWS's, every segment
        of_classes = self.classes(
            flat, labels.flatten().repeat_interleave(len(flat) // labels.numel())
        )
        return self.metric(embedded, labels) + self.weight * of_classes


def build(config: TrainConfig, n_transpositions: int, n_labels: int, size: int) -> nn.Module:
    """Return the loss of a training over ``n_labels`` labels, of embeddings of ``size`` numbers."""
    if config.class_weight:
        return WithClasses(config, n_transpositions, n_labels, size)
    return MetricLoss(config, n_transpositions)
