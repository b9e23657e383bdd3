"""2-D Fourier transform magnitude of chroma patches: a floor without training.

*Conventions.* Chroma (36, T) is folded to 12 pitch classes, raised to a power, and cut into patches of 12 x 75
frames. A transposition rotates a patch along pitch and a delay along time; the magnitude of its transform
ignores both. The vector of a recording is the median over patches, of unit norm. The paper's frames are
beats; these are quarters of a second.

References
----------
Bertin-Mahieux, Ellis. "Large-scale cover song recognition using the 2D Fourier transform
magnitude." ISMIR 2012.
"""

from __future__ import annotations

import numpy as np

from covers.retrieval.embedding import repeat_to_length

PATCH, HOP, POWER = 75, 8, 1.96


def vector(chroma: np.ndarray) -> np.ndarray:
    """Return the vector of one recording, shape (12 * 75,), float64, unit norm."""
    folded = chroma.reshape(3, 12, -1).sum(axis=0) ** POWER
    n = -(-PATCH // folded.shape[1]) * folded.shape[1]  # whole repetitions of a short recording
    folded = repeat_to_length(folded, n) if folded.shape[1] < PATCH else folded
    starts = range(0, folded.shape[1] - PATCH + 1, HOP)
    patches = np.stack([folded[:, s : s + PATCH] for s in starts])
    magnitude = np.abs(np.fft.fft2(patches))
    magnitude[:, 0, 0] = 0
    flat = np.median(magnitude, axis=0).ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-9)


def distances(chromas: list[np.ndarray]) -> np.ndarray:
    """Return the Euclidean distances (n, n) of the recordings' vectors."""
    x = np.array([vector(c) for c in chromas])
    d = np.sqrt(np.maximum(2 - 2 * x @ x.T, 0))
    np.fill_diagonal(d, 0.0)
    return d
