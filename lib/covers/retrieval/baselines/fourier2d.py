"""2-D Fourier magnitude of chroma patches: the floor without training.

*Conventions.* Chroma (36, T) is folded to 12 and powered, cut into patches of 12 x 75 frames, and the
magnitude of each patch's 2-D Fourier transform is taken: a key shift is a rotation along pitch, a
time shift one along time, and the magnitude forgets both. The median over patches, of unit norm, is the
recording's vector. The paper's frames are beats; these are a quarter of a second.

References
----------
Bertin-Mahieux, Ellis. "Large-scale cover song recognition using the 2D Fourier transform
magnitude." ISMIR 2012.
"""

from __future__ import annotations

import numpy as np

PATCH, HOP, POWER = 75, 8, 1.96


def vector(chroma: np.ndarray) -> np.ndarray:
    """Return the vector of one recording, shape (12 * 75,), float64, unit norm."""
    folded = chroma.reshape(3, 12, -1).sum(axis=0) ** POWER
    if folded.shape[1] < PATCH:
        folded = np.tile(folded, (1, -(-PATCH // folded.shape[1])))
    starts = range(0, folded.shape[1] - PATCH + 1, HOP)
    patches = np.stack([folded[:, s : s + PATCH] for s in starts])
    magnitude = np.abs(np.fft.fft2(patches))
    magnitude[:, 0, 0] = 0
    flat = np.median(magnitude, axis=0).ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-9)


def distances(chromas: list[np.ndarray]) -> np.ndarray:
    """Return the (n, n) Euclidean distances of the recordings' vectors."""
    x = np.array([vector(c) for c in chromas])
    found = np.sqrt(np.maximum(2 - 2 * x @ x.T, 0))
    np.fill_diagonal(found, 0.0)
    return found
