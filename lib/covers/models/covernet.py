"""CoverNet: a small network for covers, equivariant to transposition by construction.

*Conventions.* Input (B, 36, T) chroma, float32, 4 frames/s: bass, middle and treble, twelve pitch classes
each. Output (B, 12 * d), unit L2 norm: twelve rows of d numbers, one a pitch class, flattened row by row.
Transposing the input by s semitones rolls the rows by s. `forward` rolls them so that the row of largest
norm comes first (the canonical transposition); two embeddings are compared at the best of twelve rolls,
the optimal transposition index (`covers.models.similarity`).

References
----------
Yesiler, Serrà, Gómez. "Accurate and scalable version identification using musically-motivated
embeddings." ICASSP 2020 (MOVE: key invariance by the maximum over transpositions). Snyder et al.
"X-vectors: robust DNN embeddings for speaker recognition." ICASSP 2018 (statistics pooling). Serrà,
Gómez, Herrera. "Transposing chroma representations to a common key." 2008 (OTI).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from covers.models.whitening import whiten


class CircularPitchConv(nn.Conv2d):
    """A 12 x 1 convolution around the pitch circle, computed by the discrete Fourier transform.

    It equals a convolution of the input repeated once around, at a sixth of the multiplications: on a
    circle a convolution is a matrix product at each of 7 frequencies.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, (12, 1), bias=False)
        angle = torch.arange(7)[:, None] * torch.arange(12)[None] * (2 * torch.pi / 12)
        cos, sin = torch.cos(angle), torch.sin(angle)
        # Of a real signal, frequencies 1 to 5 stand for their conjugates too; 0 and 6 have none.
        twice = torch.tensor([1.0, 2, 2, 2, 2, 2, 1])[:, None]
        to, back = torch.stack([cos, -sin], 1), torch.stack([twice * cos, -twice * sin], 1) / 12
        self.register_buffer("to_frequency", to, persistent=False)  # (7, re and im, 12)
        self.register_buffer("to_pitch", back, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, n_in, 12, T) to (B, n_out, 12, T)."""
        b, c, _, t = x.shape
        of_x = torch.einsum("bcpt,frp->frcbt", x, self.to_frequency).reshape(7, 2 * c, b * t)
        re, im = torch.einsum("ocp,frp->rfoc", self.weight[..., 0], self.to_frequency)
        # nn.Conv2d correlates: the conjugate of the weights' transform, written as a real matrix.
        matrix = torch.cat([torch.cat([re, im], 2), torch.cat([-im, re], 2)], 1)
        of_y = torch.bmm(matrix, of_x).reshape(7, 2, -1, b, t)
        return torch.einsum("frobt,frp->bopt", of_y, self.to_pitch)


class PitchBlock(nn.Module):
    """A transposition-equivariant block: 12 x 1 around the pitch circle, then 1 x k along time."""

    def __init__(self, n_in: int, n_out: int, *, stride: int, k: int = 5) -> None:
        super().__init__()
        self.pitch = CircularPitchConv(n_in, n_out)
        self.time = nn.Conv2d(
            n_out, n_out, (1, k), stride=(1, stride), padding=(0, k // 2), bias=False
        )
        self.norms = nn.ModuleList([nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, n_in, 12, T) to (B, n_out, 12, T / stride)."""
        y = F.relu(self.norms[0](self.pitch(x)))
        return F.relu(self.norms[1](self.time(y)))


def _backbone(width: int) -> nn.Sequential:
    """Return five blocks that map (B, 3, 12, T) to (B, 2 * width, 12, T / 8)."""
    widths = (3, width, width, 3 * width // 2, 2 * width, 2 * width)
    strides = (2, 2, 2, 1, 1)
    steps = zip(widths[:-1], widths[1:], strides, strict=True)
    return nn.Sequential(*[PitchBlock(a, b, stride=s) for a, b, s in steps])


class CoverNet(nn.Module):
    """An ensemble of backbones, temporal standard deviation pooling, and one whitened head.

    Pooling keeps the standard deviation over time of each channel and pitch class: what is constant over
    a track, such as timbre, leaves no trace. Several backbones, trained apart, share one head.

    Parameters
    ----------
    widths : sequence of int
        Channels of each backbone's first block; its last has twice as many.
    head_width : int, optional
        Numbers a row, d; default: all channels, `MAX_WIDTH` at most.
    """

    sees_whole_track = True
    MAX_WIDTH = 320
    STRIDE = 8  # input frames a step of the activations

    def __init__(self, widths: Sequence[int] = (32,), head_width: int | None = None) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.backbones = nn.ModuleList([_backbone(width) for width in self.widths])
        n_channels = 2 * sum(self.widths)
        d = head_width or min(n_channels, self.MAX_WIDTH)
        self.head = CircularPitchConv(n_channels, d)
        self.embedding_shape = (12, d)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (B, 36, T) as (B, 12 * d), unit norm, in the canonical transposition."""
        return canonical_transposition(self.rows(x)).flatten(1)

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (B, 36, T) as (B, 12, d), unit norm, in the track's own key."""
        return self.project(self.temporal_std(x))

    def project(self, pooled: torch.Tensor) -> torch.Tensor:
        """Project pooled features (B, channels, 12) to rows (B, 12, d) of unit norm."""
        rows = self.head(pooled[..., None])[..., 0].transpose(1, 2)
        rows = rows - rows.mean(dim=1, keepdim=True)
        return F.normalize(rows.flatten(1), dim=1).reshape(rows.shape)

    def temporal_std(self, x: torch.Tensor) -> torch.Tensor:
        """Pool (B, 36, T) to (B, channels, 12): standard deviations over time."""
        return _temporal_std(self.activations(x))

    def activations(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return each backbone's activations of (B, 36, T): (B, channels, 12, T / STRIDE)."""
        x = x.reshape(len(x), 3, 12, -1)
        return [backbone(x).float() for backbone in self.backbones]

    def embed_sequences(
        self, x: torch.Tensor, windows: Sequence[tuple[int, int]]
    ) -> tuple[list[torch.Tensor], int]:
        """Embed one track and windows of it, pooled from the same activations.

        A window thus sees beyond its ends, by the backbones' receptive field.

        Parameters
        ----------
        x : torch.Tensor, shape (36, T)
        windows : sequence of (length, hop) [input frames]
            One for each sequence. The last window of a sequence ends with the track.

        Returns
        -------
        list of torch.Tensor
            First the track, (1, 12 * d), as `forward` embeds it; then one (m, 12 * d) for each of
            ``windows``, unit norm, in the canonical transposition of the track. A track shorter than a
            window is its only window.
        int
            Semitones that the rows were rolled down for it, 0 to 11.
        """
        activations = self.activations(x[None])
        n = activations[0].shape[3]
        rows = [self.project(_temporal_std(activations))]
        for window in windows:
            length, hop = (max(round(frames / self.STRIDE), 1) for frames in window)
            pooled = [_temporal_std([y[..., max(n - length, 0) :] for y in activations])]
            if n > length:
                n_windows = -((length - n) // hop)
                pooled.insert(0, _windowed_std(activations, length, hop, n_windows))
            rows.append(self.project(torch.cat(pooled)))
        first = int(_strongest_row(rows[0]))
        return [r.roll(-first, dims=1).flatten(1) for r in rows], first

    def whiten_head(self, batches: Iterable[torch.Tensor]) -> None:
        """Replace the head by a whitening transform estimated on ``batches`` (`covers.models.whitening`)."""
        whiten(self, batches)


def _temporal_std(activations: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return standard deviations over time (B, channels, 12) of activations (B, channels, 12, T)."""
    variance = torch.cat([y.var(dim=3, correction=0) for y in activations], dim=1)
    return (variance + 1e-20).sqrt()  # the root has no finite slope at 0


def _windowed_std(
    activations: Sequence[torch.Tensor], length: int, hop: int, n_windows: int
) -> torch.Tensor:
    """Return `_temporal_std` of many short windows of one track at once, (n_windows, channels, 12).

    A loop over the few steps of a window instead of over the many windows.
    """
    variances = []
    for y in activations:
        last = (n_windows - 1) * hop + 1
        steps = [y[0, :, :, k : k + last : hop] for k in range(length)]
        mean = torch.stack(steps).mean(dim=0)
        variances.append(torch.stack([(x - mean).square() for x in steps]).mean(dim=0))
    return (torch.cat(variances).permute(2, 0, 1) + 1e-20).sqrt()


def join_backbones(networks: Sequence[CoverNet], head_width: int | None = None) -> CoverNet:
    """Return an ensemble of the networks' backbones; its head is random until it is whitened."""
    backbones = [backbone for network in networks for backbone in network.backbones]
    widths = [width for network in networks for width in network.widths]
    ensemble = CoverNet(widths, head_width)
    ensemble.backbones.load_state_dict(nn.ModuleList(backbones).state_dict())
    return ensemble


def shape_like(weights: Mapping[str, torch.Tensor]) -> CoverNet:
    """Return a CoverNet with the backbones and the head of these weights' sizes; its own are random.

    Raises
    ------
    RuntimeError
        If they are not a CoverNet's weights.

    Examples
    --------
    >>> shape_like(CoverNet((32, 64), 40).state_dict()).widths
    (32, 64)
    """
    try:
        n = len({name.split(".")[1] for name in weights if name.startswith("backbones.")})
        widths = [len(weights[f"backbones.{i}.0.pitch.weight"]) for i in range(n)]
        return CoverNet(widths, len(weights["head.weight"]))
    except KeyError as error:
        raise RuntimeError(f"weights must have {error.args[0]!r}, got none") from error


def canonical_transposition(rows: torch.Tensor) -> torch.Tensor:
    """Roll (B, 12, d) so that the row of largest norm comes first."""
    first = _strongest_row(rows)
    index = (torch.arange(12, device=rows.device)[None] + first[:, None]) % 12
    return rows.gather(1, index[:, :, None].expand_as(rows))


def _strongest_row(rows: torch.Tensor) -> torch.Tensor:
    """Return (B,) which row of (B, 12, d) has the largest norm."""
    return rows.detach().pow(2).sum(dim=2).argmax(dim=1)
