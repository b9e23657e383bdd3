"""The last step of covernet's training: a head by which all that its blocks tell counts alike.

What the blocks tell of recordings (`CoverNet.spread`) differs most in few directions that many songs
share. A head that is the inverse root of the covariance, at each frequency around the pitch circle for
itself, evens them out, and rolls with its input as the blocks do. It needs no works, only recordings.

References
----------
Jégou, Chum. "Negative evidences and co-occurences in image retrieval: the benefit of PCA and
whitening." ECCV 2012.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from covers.models.networks import CoverNet

SHARE = 0.1  # of the mean variance, added to every one: what hardly differs is mostly chance


@torch.no_grad()
def whiten(network: CoverNet, batches: Iterable[torch.Tensor], share: float = SHARE) -> None:
    """Give a covernet the head that whitens what its blocks tell of ``batches``.

    Where the head is narrower than that, it keeps the directions that vary most.

    Parameters
    ----------
    network : CoverNet, in mode eval
    batches : tensors (B, 36, T), on the network's device
    share : float, above 0

    Raises
    ------
    ValueError
        If there is no batch.
    """
    moment, n = torch.zeros(()), 0
    for x in batches:
        z = torch.fft.rfft(network.spread(x).cpu().double(), dim=2)
        moment, n = moment + torch.einsum("bcf,bdf->fcd", z.conj(), z), n + len(x)
    if not n:
        raise ValueError("batches must hold recordings to whiten by, got none")
    head = network.head
    head.weight.copy_(_inverse_root(moment / n, head.out_channels, share)[..., None])


def _inverse_root(moment: torch.Tensor, d: int, share: float) -> torch.Tensor:
    """Return the weights (d, c, 12) of a `CircularPitchConv` that whitens the moments (7, c, c)."""
    values, vectors = torch.linalg.eigh(moment[1:])  # 0, the mean over pitch classes, is left out
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    vectors = vectors * largest.conj() / largest.abs()  # any phase would do; at 6 it must be real
    scale = (values.clamp(min=0) + share * values.mean()) ** -0.5
    # On all c: the root itself, which turns nothing. Narrower: along the directions kept.
    back = vectors.mH if d == len(vectors[0]) else torch.eye(d, dtype=vectors.dtype)
    roots = (vectors[..., -d:] * scale[:, None, -d:]) @ back
    roots = torch.cat([torch.zeros(1, *roots.shape[1:]), roots])
    return torch.fft.irfft(roots.mT.conj(), n=12, dim=0).permute(1, 2, 0)
