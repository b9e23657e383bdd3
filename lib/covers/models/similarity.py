"""How near two embeddings are: the cosine, for covernet at the best of twelve rolls.

*Conventions.* Embeddings have unit L2 norm; similarity is in [-1, 1], distance is
sqrt(2 - 2 * similarity), which for plain embeddings is the Euclidean distance.
"""

from __future__ import annotations

import torch


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
