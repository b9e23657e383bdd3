"""The losses behind one setting. Where pytorch-metric-learning has one, it is that one.

*Conventions.* A loss takes embeddings of unit L2 norm, (r, B, d) float32, and labels (r, B): r is 3
(anchors, positives, negatives) or 2 (without negatives). Only the triplet loss reads the roles; the
others read the labels. CLEWS takes (r, B, n, d), n segments of each crop. Each returns a scalar.

References
----------
Schroff et al. "FaceNet." CVPR 2015 (triplet). Hermans et al. "In defense of the triplet loss." 2017
(batch hard). Khosla et al. "Supervised contrastive learning." NeurIPS 2020 (SupCon). Sohn. "Improved deep
metric learning with multi-class n-pair loss objective." NeurIPS 2016 (NT-Xent). Zhai, Wu. "Classification
is a strong baseline for deep metric learning." BMVC 2019 (normalised softmax). Serrà, Araz, Bogdanov,
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
    """Similarity at the best transposition, as pytorch-metric-learning wants it (larger = nearer)."""

    def __init__(self, n_transpositions: int) -> None:
        super().__init__(normalize_embeddings=False, is_inverted=True)
        self.n_transpositions = n_transpositions

    def compute_mat(self, query_emb: torch.Tensor, ref_emb: torch.Tensor) -> torch.Tensor:
        """Return (n, m) similarities of queries (n, d) and references (m, d)."""
        return similarity_matrix(query_emb, ref_emb, self.n_transpositions)

    def pairwise_distance(self, query_emb: torch.Tensor, ref_emb: torch.Tensor) -> torch.Tensor:
        """Return (n,) similarities of row i of (n, d) with row i of (n, d)."""
        return 1 - paired_distance(query_emb, ref_emb, self.n_transpositions).pow(2) / 2


def triplet_loss(
    anchor: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
    *,
    margin: float,
    n_transpositions: int,
) -> torch.Tensor:
    """Return mean max(0, d(a, p) - d(a, n) + margin) of (B, d) embeddings.

    With one transposition this is torch's ``TripletMarginLoss(margin, p=2)``.
    """
    to_positive = paired_distance(anchor, positive, n_transpositions)
    to_negative = paired_distance(anchor, negative, n_transpositions)
    return (to_positive - to_negative + margin).clamp(min=0).mean()


def segment_loss(
    segments: torch.Tensor, labels: torch.Tensor, *, n_transpositions: int, gamma: float, top_k: int
) -> torch.Tensor:
    """Return CLEWS's loss: gamma * mean d(positive) + mean log mean exp(-gamma * d(negative)).

    d is a squared distance, 0 to 4. Of two recordings of one label it is the mean over their ``top_k``
    most similar pairs of segments, no segment used twice; of two labels, the most similar pair's.

    Parameters
    ----------
    segments : torch.Tensor, shape (m, n, d)
        n segments of each of m recordings, unit norm.
    labels : torch.Tensor, shape (m,)
    n_transpositions : int
    gamma : float
        1 / (2 * temperature) puts it on the scale of the other losses.
    top_k : int
    """
    m, n, _ = segments.shape
    flat = segments.flatten(0, 1)
    similarity = similarity_matrix(flat, flat, n_transpositions).reshape(m, n, m, n).transpose(1, 2)
    same = labels[:, None] == labels[None]
    pairs = torch.nonzero((same & ~torch.eye(m, dtype=torch.bool, device=same.device)).triu())
    matched = mean_of_top_pairs(similarity[pairs[:, 0], pairs[:, 1]], top_k)
    alignment = (2 - 2 * matched).mean() if len(pairs) else similarity.new_zeros(())
    between = 2 - 2 * similarity.flatten(2).amax(dim=2)  # (m, m)
    between = between.masked_fill(same, torch.inf)
    n_negatives = (~same).sum(dim=1)
    has_negative = n_negatives > 0
    uniformity = (
        torch.logsumexp(-gamma * between[has_negative], dim=1) - n_negatives[has_negative].log()
    )
    return gamma * alignment + uniformity.mean()


def mean_of_top_pairs(similarity: torch.Tensor, top_k: int) -> torch.Tensor:
    """Return (p,) means of the ``top_k`` largest of each (n, m) matrix of ``similarity`` (p, n, m).

    Picked greedily: each row and each column counts once.
    """
    _, n, m = similarity.shape
    left, found = similarity, []
    for _ in range(min(top_k, n, m)):
        value, at = left.flatten(1).max(dim=1)
        found.append(value)
        row, column = at // m, at % m
        used_row = torch.arange(n, device=similarity.device)[None] == row[:, None]
        used_column = torch.arange(m, device=similarity.device)[None] == column[:, None]
        left = left.masked_fill(used_row[:, :, None] | used_column[:, None], -torch.inf)
    return torch.stack(found).mean(dim=0)


class TripletLoss(nn.Module):
    """The triplet loss on triplets as they are; needs their negatives."""

    def __init__(self, config: TrainConfig, n_transpositions: int) -> None:
        super().__init__()
        self.margin, self.n_transpositions = config.margin, n_transpositions

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of (3, B, d) embeddings."""
        anchor, positive, negative = embedded
        return triplet_loss(
            anchor, positive, negative, margin=self.margin, n_transpositions=self.n_transpositions
        )


class SegmentLoss(nn.Module):
    """CLEWS's loss over the segments of all crops of a batch."""

    def __init__(self, config: TrainConfig, n_transpositions: int) -> None:
        super().__init__()
        self.gamma, self.top_k = 1 / (2 * config.temperature), config.top_k_pairs
        self.n_transpositions = n_transpositions

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of (r, B, n, d) embeddings and (r, B) labels."""
        segments = embedded.reshape(labels.numel(), -1, embedded.shape[-1])
        return segment_loss(
            segments, labels.flatten(), n_transpositions=self.n_transpositions, gamma=self.gamma,
            top_k=self.top_k,
        )  # fmt: skip


class BatchLoss(nn.Module):
    """A loss of pytorch-metric-learning over all embeddings of a batch."""

    def __init__(self, loss: nn.Module, miner: nn.Module | None = None) -> None:
        super().__init__()
        self.loss, self.miner = loss, miner

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of (r, B, d) embeddings and (r, B) labels."""
        flat, flat_labels = embedded.flatten(0, 1), labels.flatten()
        return self.loss(flat, flat_labels, self.miner(flat, flat_labels) if self.miner else None)


class CombinedLoss(nn.Module):
    """A metric loss, and a weighted cross-entropy over all labels of the training.

    Every label has a vector of its own; an embedding's logits are its similarities to them, at the best
    transposition. A batch holds few works, the vectors stand for all of them.
    """

    def __init__(
        self, config: TrainConfig, n_transpositions: int, n_labels: int, size: int
    ) -> None:
        super().__init__()
        self.metric, self.weight = build_metric(config, n_transpositions), config.ce_loss_weight
        self.classes = losses.NormalizedSoftmaxLoss(
            n_labels, size, config.temperature, distance=TranspositionSimilarity(n_transpositions)
        )

    def forward(self, embedded: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum; of CLEWS's embeddings, every segment is classified."""
        flat = embedded.reshape(-1, embedded.shape[-1])
        n_segments = len(flat) // labels.numel()
        cross_entropy = self.classes(flat, labels.flatten().repeat_interleave(n_segments))
        return self.metric(embedded, labels) + self.weight * cross_entropy


def build_metric(config: TrainConfig, n_transpositions: int) -> nn.Module:
    """Return the metric loss that ``config.loss`` names; it has no weights of its own."""
    similarity = TranspositionSimilarity(n_transpositions)
    if config.loss == "triplet":
        return TripletLoss(config, n_transpositions)
    if config.loss == "clews":
        return SegmentLoss(config, n_transpositions)
    if config.loss == "batch_hard":
        return BatchLoss(
            losses.TripletMarginLoss(margin=config.margin, distance=similarity),
            miners.BatchHardMiner(distance=similarity),
        )
    if config.loss == "ntxent":
        return BatchLoss(losses.NTXentLoss(config.temperature, distance=similarity))
    return BatchLoss(losses.SupConLoss(config.temperature, distance=similarity))


def build(config: TrainConfig, n_transpositions: int, n_labels: int, size: int) -> nn.Module:
    """Return the loss of a training.

    Parameters
    ----------
    config : TrainConfig
    n_transpositions : int
        Transpositions at which two embeddings are compared: 12 for CoverNet, else 1.
    n_labels : int
        Labels of all training triplets; the cross-entropy has a vector for each.
    size : int
        Numbers of an embedding.
    """
    if config.ce_loss_weight:
        return CombinedLoss(config, n_transpositions, n_labels, size)
    return build_metric(config, n_transpositions)


def cut_segments(x: torch.Tensor, n_segments: int) -> torch.Tensor:
    """Return what the network embeds of crops (r, B, n_bins, T): (r * B * n_segments, n_bins, T').

    A crop's segments follow one another and T' is T // n_segments; the frames left over are dropped.
    """
    length = x.shape[-1] // n_segments
    cut = x[..., : length * n_segments].unflatten(-1, (n_segments, length))
    return cut.movedim(-2, 2).flatten(0, 2)


def group_embeddings(embedded: torch.Tensor, labels: torch.Tensor, n_segments: int) -> torch.Tensor:
    """Return the embeddings of `cut_segments` by crop: (r, B, d), or (r, B, n_segments, d) of several."""
    n = (n_segments,) if n_segments > 1 else ()
    return embedded.reshape(*labels.shape, *n, -1)
