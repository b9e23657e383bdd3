"""Distance matrices over a set of recordings, one a system.

*Conventions.* (n, n) float64, symmetric, 0 on the diagonal; smaller = more alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from covers.models.similarity import distance, similarity_matrix
from covers.retrieval.hearing import Heard
from covers.retrieval.score_norm import deviations, usual


def of_embeddings(vectors: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return distances of unit embeddings (n, d), for covernet at the best of 12 rolls.

    Of (n, k, d), each recording at k tempi, its own first: as a query at the nearest of its tempi.
    """
    return _of_similarities(_of_wholes(vectors, n_transpositions))


def of_heard(heard: Sequence[Heard], n_transpositions: int) -> np.ndarray:
    """Return distances of what was heard of n recordings, each as a query at the nearest of its tempi.

    Where stretches were heard, how near two wholes are and how near their nearest stretches are count
    alike.
    """
    alike = _of_wholes(np.stack([x.wholes for x in heard]), n_transpositions)
    if heard[0].stretches:
        alike = (alike + _of_stretches([x.stretches for x in heard], n_transpositions)) / 2
    return _of_similarities(alike)


def rolled(vectors: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return embeddings (n, d) in all keys, (n_transpositions, n, d): their rows rolled by 0, 1 and so on."""
    rows = vectors.reshape(len(vectors), n_transpositions, -1)
    return np.stack(
        [np.roll(rows, s, axis=1).reshape(vectors.shape) for s in range(n_transpositions)]
    )


def _of_similarities(alike: torch.Tensor) -> np.ndarray:
    return symmetric(distance(alike).numpy().astype(np.float64))


def _of_wholes(vectors: np.ndarray, n_transpositions: int) -> torch.Tensor:
    """Return (n, n) similarities of a whole of i, at any tempo, to that of j at its own."""
    x = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    heard = x[:, None] if x.ndim == 2 else x
    near = [
        similarity_matrix(heard[:, i], heard[:, 0], n_transpositions) for i in range(heard.shape[1])
    ]
    return torch.stack(near).amax(dim=0)


def _of_stretches(stretches: Sequence[Sequence[np.ndarray]], n_transpositions: int) -> torch.Tensor:
    """Return (n, n) similarities of a stretch of i, at any tempo, to the nearest of j's at its own."""
    own = [torch.from_numpy(np.asarray(at_tempi[0], np.float32)) for at_tempi in stretches]
    lengths, answering = [len(x) for x in own], torch.cat(own)
    rows = []
    for at_tempi in stretches:
        asking = torch.from_numpy(np.concatenate(at_tempi).astype(np.float32))
        near = similarity_matrix(answering, asking, n_transpositions).amax(dim=1)
        rows.append(torch.stack([x.max() for x in near.split(lengths)]))
    return torch.stack(rows)


def of_tensors(tensors: list[np.ndarray]) -> np.ndarray:
    """Return distances of the spectrograms themselves: what no model knows.

    Each is cut or repeated to the shortest common length (at most 30 s worth), flattened, scaled to
    unit norm.
    """
    n_frames = min(120, max(t.shape[1] for t in tensors))
    rows = [np.tile(t, (1, -(-n_frames // t.shape[1])))[:, :n_frames].ravel() for t in tensors]
    x = np.array(rows, dtype=np.float64)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return symmetric(np.sqrt(np.maximum(2 - 2 * x @ x.T, 0)))


def symmetric(distances: np.ndarray) -> np.ndarray:
    """Return the mean of a matrix and its transpose, with a zero diagonal."""
    mean = (distances + distances.T) / 2
    np.fill_diagonal(mean, 0.0)
    return mean


def s_normalized(distances: np.ndarray) -> np.ndarray:
    """Return distances in standard deviations from the mean of their row and of their column.

    A recording that is near to everything (a hub) loses its advantage; the mean of both scores keeps
    the matrix symmetric. The diagonal stays out and is 0.

    References
    ----------
    Schnitzer et al. "Local and global scaling reduce hubs in space." JMLR 2012.
    """
    known = usual(_between_others(distances))
    return symmetric(deviations(distances, known, known))


def as_searched(wholes: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return deviations of unit embeddings (n, k, d) as a search in a lake of them has them.

    Each asks at its k tempi, its own first, and the others answer at their own; what is usual for one
    that answers is told by its own tempo alone. The mean of both directions.
    """
    asked = distance(_of_wholes(wholes, n_transpositions)).numpy().astype(np.float64)
    own = distance(_of_wholes(wholes[:, 0], n_transpositions)).numpy().astype(np.float64)
    asking, answering = (usual(_between_others(d)) for d in (asked, own))
    return symmetric(deviations(asked, asking, answering))


def _between_others(distances: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(distances), dtype=bool), np.nan, distances)


def fuse(*systems: np.ndarray, weights: Sequence[float] | None = None) -> np.ndarray:
    """Return the mean of the systems' `s_normalized` distances: each has one voice, or so much of one.

    References
    ----------
    Chen, Li, Xiao. "Fusing similarity functions for cover song identification." Multimedia Tools
    and Applications 2018.
    """
    return np.average([s_normalized(d) for d in systems], axis=0, weights=weights)
