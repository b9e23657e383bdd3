"""k-means over feature vectors in memory, with silhouette and stability of the clusters.

*Conventions.* Rows are float64 of shape (n, n_features). Stability is the mean adjusted Rand index
between the best start and the others; 1 = always the same clusters.

References
----------
Lloyd. "Least squares quantization in PCM." 1982. Hubert, Arabie. "Comparing partitions." 1985
(adjusted Rand index). Rousseeuw. "Silhouettes." 1987.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

SILHOUETTE_SAMPLE = 5_000  # it compares all pairs
_WORDS = {  # index in x_vector: (word when high, word when low)
    0: ("danceable", "not for dancing"),
    1: ("loud", "calm"),
    3: ("major", "minor"),
    4: ("happy", "sad"),
    5: ("fast", "slow"),
}


@dataclass(frozen=True)
class Clustering:
    """A fit: centres of shape (k, n_features), with inertia, silhouette and stability."""

    centers: np.ndarray
    inertia: float
    silhouette: float
    stability: float

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centers)


def fit_sample(x: np.ndarray, *, k: int, seed: int, starts: int) -> Clustering:
    """Fit rows (n, n_features) that the driver holds, from several starts."""
    fits = [KMeans(k, n_init=1, random_state=seed + i).fit(x) for i in range(starts)]
    fits.sort(key=lambda f: f.inertia_)
    labels = fits[0].labels_
    agreement = [adjusted_rand_score(labels, f.labels_) for f in fits[1:]]
    silhouette = silhouette_score(
        x, labels, sample_size=min(len(x), SILHOUETTE_SAMPLE), random_state=seed
    )
    return Clustering(
        fits[0].cluster_centers_, float(fits[0].inertia_), float(silhouette),
        float(np.mean(agreement or [1.0])),
    )  # fmt: skip


def describe(means: np.ndarray, overall: np.ndarray, std: np.ndarray) -> str:
    """Return a cluster's mean x_vector in musical words, strongest first.

    Parameters
    ----------
    means, overall, std : np.ndarray, shape (6,)
        The cluster's mean, the catalogue's mean and standard deviation.

    Examples
    --------
    >>> describe(np.array([.5, .9, 5, 1, .8, 160]), np.array([.5, .5, 5, .6, .5, 120]), np.ones(6))
    'fast, loud, major'
    """
    z = (means - overall) / np.where(std > 0, std, 1.0)
    ranked = sorted((i for i in _WORDS if abs(z[i]) >= 0.4), key=lambda i: -abs(z[i]))
    words = [_WORDS[i][0 if z[i] > 0 else 1] for i in ranked]
    return ", ".join(words) or "like the whole catalogue"
