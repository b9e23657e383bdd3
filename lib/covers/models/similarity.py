"""Similarity and distance of embeddings: the cosine, at the best transposition.

*Conventions.* Embeddings have unit L2 norm, flat (n, d). With ``n_transpositions`` 12 the d numbers are
twelve rows, one a pitch class, and the similarity is that of the best of twelve rolls. Similarity is in
[-1, 1]; distance is sqrt(2 - 2 * similarity), in [0, 2]: the Euclidean distance of unit vectors.
"""

from __future__ import annotations

import numpy as np
import torch


def transpose(vectors: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return embeddings (n, d) at every transposition, (n_transpositions, n, d).

    Entry s is the embedding of the same track s semitones higher.
    """
    rows = vectors.reshape(len(vectors), n_transpositions, -1)
    rolls = [np.roll(rows, s, axis=1).reshape(vectors.shape) for s in range(n_transpositions)]
    return np.stack(rolls)


def transposed_similarities(
    a: torch.Tensor, b: torch.Tensor, n_transpositions: int
) -> torch.Tensor:
    """Return (n_transpositions, n, m) similarities of a (n, d) to b (m, d), b transposed by s."""
    rows = b.reshape(len(b), n_transpositions, -1)
    rolled = torch.stack([rows.roll(s, dims=1).flatten(1) for s in range(n_transpositions)])
    return torch.einsum("nd,smd->snm", a, rolled)


def similarity_matrix(a: torch.Tensor, b: torch.Tensor, n_transpositions: int) -> torch.Tensor:
    """Return (n, m) similarities of a (n, d) and b (m, d), each at its best transposition."""
    if n_transpositions == 1:
        return a @ b.T
    return transposed_similarities(a, b, n_transpositions).amax(dim=0)


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
