"""Whitening of CoverNet's head: every direction of the pooled features counts alike.

Pooled features vary most in a few directions that many songs share. The head becomes the inverse square
root of their covariance, computed at each frequency around the pitch circle, so that it stays equivariant
to transposition. It needs recordings, but no works.

*Conventions.* Pooled features are (B, channels, 12), as `CoverNet.temporal_std` returns them.

References
----------
Jégou, Chum. "Negative evidences and co-occurences in image retrieval: the benefit of PCA and
whitening." ECCV 2012.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import nn

# Share of the mean variance added to every eigenvalue: directions that hardly vary are mostly noise.
REGULARIZATION = 0.1


class Pooling(Protocol):
    """A network with pooled features and a linear head over them."""

    @property
    def head(self) -> nn.Conv2d:
        """The linear head."""

    def temporal_std(self, x: torch.Tensor) -> torch.Tensor:
        """Pool (B, 36, T) to (B, channels, 12)."""


@torch.no_grad()
def whiten(
    network: Pooling, batches: Iterable[torch.Tensor], regularization: float = REGULARIZATION
) -> None:
    """Replace a CoverNet's head by a whitening transform of its pooled features.

    A head narrower than the features keeps the directions of largest variance.

    Parameters
    ----------
    network : Pooling, in eval mode
        A CoverNet.
    batches : iterable of tensors (B, 36, T), on the network's device
    regularization : float, above 0
        Share of the mean variance added to every variance.

    Raises
    ------
    ValueError
        If there is no batch.
    """
    moment, n = torch.zeros(()), 0
    for x in batches:
        z = torch.fft.rfft(network.temporal_std(x).cpu().double(), dim=2)
        moment, n = moment + torch.einsum("bcf,bdf->fcd", z.conj(), z), n + len(x)
    if not n:
        raise ValueError("batches must hold recordings to whiten by, got none")
    head = network.head
    head.weight.copy_(_inverse_root(moment / n, head.out_channels, regularization)[..., None])


def _inverse_root(moment: torch.Tensor, d: int, regularization: float) -> torch.Tensor:
    """Return the weights (d, c, 12) of a `CircularPitchConv` that whitens second moments (7, c, c)."""
    # Frequency 0, the mean over pitch classes, is removed by the network anyway.
    values, vectors = torch.linalg.eigh(moment[1:])
    # Eigenvectors have a free phase. It is fixed by their largest entry; at frequency 6 it must be real.
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    vectors = vectors * largest.conj() / largest.abs()
    scale = (values.clamp(min=0) + regularization * values.mean()) ** -0.5
    # With all directions kept, the symmetric root, whose basis does not turn with rounding errors.
    back = vectors.mH if d == len(vectors[0]) else torch.eye(d, dtype=vectors.dtype)
    roots = (vectors[..., -d:] * scale[:, None, -d:]) @ back
    roots = torch.cat([torch.zeros(1, *roots.shape[1:]), roots])
    return torch.fft.irfft(roots.mT.conj(), n=12, dim=0).permute(1, 2, 0)
