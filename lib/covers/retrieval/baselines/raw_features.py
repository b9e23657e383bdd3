"""Distance of the features themselves, without a network: the floor that a network must beat."""

from __future__ import annotations

import numpy as np

from covers.retrieval.embedding import repeat_to_length
from covers.retrieval.pairs import symmetrize

MAX_FRAMES = 120  # 30 s of chroma


def distances(tensors: list[np.ndarray]) -> np.ndarray:
    """Return Euclidean distances (n, n) of tensors (n_bins, T) cut to one length, of unit norm.

    They are cut or repeated to the longest, 30 s at most.
    """
    n_frames = min(MAX_FRAMES, max(t.shape[1] for t in tensors))
    rows = [repeat_to_length(t, n_frames)[:, :n_frames].ravel() for t in tensors]
    x = np.array(rows, dtype=np.float64)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    return symmetrize(np.sqrt(np.maximum(2 - 2 * x @ x.T, 0)))
