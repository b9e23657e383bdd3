"""How near two embeddings are: the cosine, for covernet at the best of twelve rolls.

*Conventions.* Embeddings have unit L2 norm; similarity is in [-1, 1], distance is
sqrt(2 - 2 * similarity), which for plain embeddings is the Euclidean distance.
"""

from __future__ import annotations

import torch
from pytorch_metric_learning.distances import BaseDistance


def similarity_matrix(a: torch.Tensor, b: torch.Tensor, n_transpositions: int) -> torch.Tensor:
    """Return (n, m) similarities of (n, d) and (m, d); ``n_transpositions`` is 12 for covernet, else 1."""
    if n_transpositions == 1:
        return a @ b.T
    rows = b.reshape(len(b), n_transpositions, -1)
    rolled = torch.stack(
        [rows.roll(s, dims=1).flatten(1) for s in range(n_transpositions)]
    )  # (12, m, d)
    return torch.einsum("nd,smd->snm", a, rolled).amax(dim=0)


def paired_distance(a: torch.Tensor, b: torch.Tensor, n_transpositions: int) -> torch.Tensor:
    """Return (n,) distances of row i of a from row i of b."""
    rows = b.reshape(len(b), n_transpositions, -1)
    similarities = [
        (a * rows.roll(s, dims=1).flatten(1)).sum(dim=1) for s in range(n_transpositions)
    ]
    return distance(torch.stack(similarities).amax(dim=0))


def distance(similarity: torch.Tensor) -> torch.Tensor:
    """Turn similarities of unit vectors into distances, 0 to 2."""
    return (2 - 2 * similarity).clamp(min=1e-7).sqrt()


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
