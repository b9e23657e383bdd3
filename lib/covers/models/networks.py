"""The networks: a tensor in, an embedding of unit L2 norm out.

*Conventions.* Input (B, n_bins, T) float32. The write-up's networks give (B, 128), CQT-Net, a published
network to compare with, (B, 300); covernet gives (B, 12 * d), pitch class first: an embedding of twelve
rows that roll with the key. It is turned to its own strongest pitch class, so that a recording and its
transposition share one embedding, and is compared at the best of twelve rolls (`covers.models.similarity`).

References
----------
He et al. "Deep residual learning." CVPR 2016. Yesiler, Serrà, Gómez. "MOVE." ICASSP 2020 (key
invariance by the maximum over rolls). Snyder et al. "X-vectors." ICASSP 2018 (statistics over time as
pooling). Yu, Xu, Chen, Yang. "Learning a representation for cover song identification using
convolutional neural network." ICASSP 2020 (CQT-Net).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from covers.models import legacy

NETWORKS = ("covernet", "cqtnet", "cnn", "resnet18_last_block", "resnet18_all")
WHOLE = ("covernet", "cqtnet")  # that see a whole recording at once; the others see crops


class Cnn(nn.Module):
    """The write-up's CNN; pooled to 8 x 8, so that the 8,192 inputs belong to one example."""

    shape = (128,)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in ((1, 32), (32, 64), (64, 128)):
            layers += [
                nn.Conv2d(n_in, n_out, 3, padding=1),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(8), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(8192, 256), nn.ReLU(), nn.Linear(256, 128))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (B, n_bins, T) as (B, 128)."""
        return F.normalize(self.head(self.features(_decibels(x)[:, None])), dim=1)


class ResNet18(nn.Module):
    """ResNet-18 with one input channel and 128 outputs; ``last_block`` trains layer4 and fc alone."""

    shape = (128,)

    def __init__(self, *, last_block: bool, weights: str | None = None) -> None:
        import torchvision  # takes six seconds to import: only where it is used

        super().__init__()
        self.net = torchvision.models.resnet18(weights=None)
        if weights:
            self.net.load_state_dict(_imagenet(weights))
        self.net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        self.net.fc = nn.Linear(512, 128)
        if last_block:
            trained = (self.net.layer4, self.net.fc)
            self.net.requires_grad_(False)
            for part in trained:
                part.requires_grad_(True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (B, n_bins, T) as (B, 128)."""
        return F.normalize(self.net(_decibels(x)[:, None]), dim=1)


def _decibels(x: torch.Tensor) -> torch.Tensor:
    """Bring log-mel (-80 to 0 dB) to about unit spread; other inputs pass."""
    return (x + 40) / 20 if x.min() < -1 else x


def _begun(weights: str) -> nn.Module:
    """Return covernet as a file's weights are, of as many backbones: a training goes on from them.

    Raises
    ------
    ValueError
        If the file is missing or holds other weights.
    """
    if not Path(weights).is_file():
        raise ValueError(f"weights must be a .safetensors file, got {weights!r}")
    try:
        return with_weights("covernet", load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"weights must be covernet's, got others in {weights!r} ({str(error).splitlines()[0]})"
        ) from error


def _imagenet(weights: str) -> dict:
    """Load ImageNet weights from a file, or from torchvision's hub where it can be reached.

    Raises
    ------
    ValueError
        If the file is missing, or the hub cannot be reached.
    """
    if weights != "imagenet":
        if not Path(weights).is_file():
            raise ValueError(f"weights must be a file or 'imagenet', got {weights!r}")
        return torch.load(weights, weights_only=True)
    import torchvision

    try:
        return torchvision.models.ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False)
    except OSError as error:
        raise ValueError(
            f"weights 'imagenet' must be reachable at torchvision's hub, got {error}; give "
            "--weights PATH, or none to start from random weights"
        ) from error


class CqtNet(nn.Module):
    """CQT-Net as its paper has it: (84, T) semitones in, 300 numbers out, of unit norm here.

    Kernels of an octave first, dilated ones in time, no pooling over pitch but the last, a maximum
    over all places: what is found may stand at any time and in any key.
    """

    shape = (300,)
    LAYERS = (  # channels, kernel, dilation in time, halved in time afterwards
        (32, (12, 3), 1, False), (64, (13, 3), 2, True), (64, (13, 3), 1, False), (64, (3, 3), 2, True),
        (128, (3, 3), 1, False), (128, (3, 3), 2, True), (256, (3, 3), 1, False), (256, (3, 3), 2, True),
        (512, (3, 3), 1, False), (512, (3, 3), 2, False),
    )  # fmt: skip
    SHORTEST = 200  # frames that the last layer needs; a shorter recording is repeated

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in = 1
        for n_out, kernel, dilation, halved in self.LAYERS:
            padding = (6, 0) if n_in == 1 else 0
            layers += [
                nn.Conv2d(n_in, n_out, kernel, dilation=(1, dilation), padding=padding, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            ]
            if halved:
                layers.append(nn.MaxPool2d((1, 2), padding=(0, 1)))
            n_in = n_out
        self.features = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.head = nn.Linear(512, 300)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (B, 84, T) as (B, 300)."""
        x = x.repeat(1, 1, -(-self.SHORTEST // x.shape[2]))
        return F.normalize(self.head(self.features(x[:, None])), dim=1)


class CircularPitchConv(nn.Conv2d):
    """A 12 x 1 convolution around the pitch circle, by the discrete Fourier transform.

    The same numbers as a plain convolution of the input repeated once around, in a sixth of its
    multiplications: on the circle, a convolution is a product of matrices at each of 7 frequencies.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, (12, 1), bias=False)
        angle = torch.arange(7)[:, None] * torch.arange(12)[None] * (2 * torch.pi / 12)
        cos, sin = torch.cos(angle), torch.sin(angle)
        twice = torch.tensor([1.0, 2, 2, 2, 2, 2, 1])[:, None]  # 0 and 6 have no twin
        to, back = torch.stack([cos, -sin], 1), torch.stack([twice * cos, -twice * sin], 1) / 12
        self.register_buffer("to_frequency", to, persistent=False)  # (7, re and im, 12)
        self.register_buffer("to_pitch", back, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, n_in, 12, T) to (B, n_out, 12, T)."""
        b, c, _, t = x.shape
        of_x = torch.einsum("bcpt,frp->frcbt", x, self.to_frequency).reshape(7, 2 * c, b * t)
        re, im = torch.einsum("ocp,frp->rfoc", self.weight[..., 0], self.to_frequency)
        # Networks correlate: the conjugate of the weights' transform, as a real matrix.
        matrix = torch.cat([torch.cat([re, im], 2), torch.cat([-im, re], 2)], 1)
        of_y = torch.bmm(matrix, of_x).reshape(7, 2, -1, b, t)
        return torch.einsum("frobt,frp->bopt", of_y, self.to_pitch)


class PitchBlock(nn.Module):
    """A block that rolls with its input: 12 x 1 around the pitch circle, then 1 x k along time."""

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
    """Return the blocks of a covernet: (B, 3, 12, T) to (B, 2 * width, 12, T / 8)."""
    widths = (3, width, width, 3 * width // 2, 2 * width, 2 * width)
    strides = (2, 2, 2, 1, 1)
    steps = zip(widths[:-1], widths[1:], strides, strict=True)
    return nn.Sequential(*[PitchBlock(a, b, stride=s) for a, b, s in steps])


class CoverNet(nn.Module):
    """Small, made for covers: chroma (36, T) of any length in, twelve rows of ``d`` out.

    What it keeps of a recording is how much each channel moves on each pitch class, the standard
    deviation over time; what is there all the time, as timbre is, leaves no trace. Several backbones,
    trained apart, stand side by side under one head.
    """

    WIDEST = (
        320  # numbers a row: all of five backbones; those that are left out of seven say little
    )
    STRIDE = 8  # frames of the input that a step of the blocks stands for

    def __init__(self, backbones: int = 1, width: int = 32) -> None:
        super().__init__()
        self.backbones = nn.ModuleList([_backbone(width) for _ in range(backbones)])
        n_channels = backbones * 2 * width
        self.head = CircularPitchConv(n_channels, min(n_channels, self.WIDEST))
        self.shape = (12, self.head.out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (B, 36, T) as (B, 12 * d), unit norm, turned to its strongest pitch class."""
        return canonical_transposition(self.rows(x)).flatten(1)

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        """Embed (B, 36, T) as (B, 12, d), unit norm, in the recording's own key."""
        return self.rows_of(self.spread(x))

    def rows_of(self, spread: torch.Tensor) -> torch.Tensor:
        """Return the (B, 12, d) of what moved how much, (B, channels, 12)."""
        rows = self.head(spread[..., None])[..., 0].transpose(1, 2)
        rows = rows - rows.mean(dim=1, keepdim=True)
        return F.normalize(rows.flatten(1), dim=1).reshape(rows.shape)

    def spread(self, x: torch.Tensor) -> torch.Tensor:
        """Return how much each channel moves on each pitch class: (B, 36, T) to (B, channels, 12)."""
        return _spread(self.activations(x))

    def activations(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return what each backbone tells of (B, 36, T): (B, channels, 12, T / STRIDE)."""
        x = x.reshape(len(x), 3, 12, -1)
        return [backbone(x).float() for backbone in self.backbones]

    def passages(self, x: torch.Tensor, cuts: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
        """Embed one recording (36, T) and its passages, each heard with what is around it.

        Parameters
        ----------
        cuts : (length, hop) [frames] of each kind of passages; the last of a kind ends with the recording

        Returns
        -------
        list of torch.Tensor
            (1, 12 * d) of the whole, as `forward` has it, then (m, 12 * d) of each kind, of unit norm
            and in the key that the whole is turned to; of a shorter recording the whole itself.
        """
        told = self.activations(x[None])
        n = told[0].shape[3]
        found = [self.rows_of(_spread(told))]
        for length, hop in (tuple(max(round(f / self.STRIDE), 1) for f in cut) for cut in cuts):
            parts = [_spread([y[..., max(n - length, 0) :] for y in told])]
            if n > length:
                parts.insert(0, _spread_of_windows(told, length, hop, -((length - n) // hop)))
            found.append(self.rows_of(torch.cat(parts)))
        first = int(_strongest(found[0]))
        return [rows.roll(-first, dims=1).flatten(1) for rows in found]


def _spread(told: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the standard deviations over time of the backbones' (B, channels, 12, T)."""
    variance = torch.cat([y.var(dim=3, correction=0) for y in told], dim=1)
    return (variance + 1e-20).sqrt()  # whose slope at 0 would have no end


def _spread_of_windows(told: Sequence[torch.Tensor], length: int, hop: int, n: int) -> torch.Tensor:
    """Return `_spread` of n windows of one recording, (n, channels, 12); many short ones at once."""
    variances = []
    for y in told:
        steps = [y[0, :, :, k : k + (n - 1) * hop + 1 : hop] for k in range(length)]
        mean = torch.stack(steps).mean(dim=0)
        variances.append(torch.stack([(x - mean).square() for x in steps]).mean(dim=0))
    return (torch.cat(variances).permute(2, 0, 1) + 1e-20).sqrt()


def join_backbones(networks: Sequence[CoverNet]) -> CoverNet:
    """Return the backbones of several covernets under one head, which is random yet (`whitening`)."""
    backbones = [backbone for network in networks for backbone in network.backbones]
    joined = CoverNet(len(backbones))
    joined.backbones.load_state_dict(nn.ModuleList(backbones).state_dict())
    return joined


def count_backbones(weights: Mapping[str, torch.Tensor]) -> int:
    """Return how many backbones these weights of a covernet are of.

    Examples
    --------
    >>> count_backbones(CoverNet(3).state_dict())
    3
    """
    return len({name.split(".")[1] for name in weights if name.startswith("backbones.")}) or 1


def canonical_transposition(rows: torch.Tensor) -> torch.Tensor:
    """Roll (B, 12, d) so that the row of largest norm comes first."""
    first = _strongest(rows)
    index = (torch.arange(12, device=rows.device)[None] + first[:, None]) % 12
    return rows.gather(1, index[:, :, None].expand_as(rows))


def _strongest(rows: torch.Tensor) -> torch.Tensor:
    """Return (B,) which row of (B, 12, d) has the largest norm."""
    return rows.detach().pow(2).sum(dim=2).argmax(dim=1)


def shape_of(network: nn.Module) -> tuple[int, ...]:
    """Return the shape of an embedding: (128,) or, for covernet, (12, d)."""
    shape = network.shape
    if not isinstance(shape, tuple):
        raise TypeError(f"network must say the shape of its embeddings, got {shape!r}")
    return shape


def n_transpositions_of(network: nn.Module) -> int:
    """Return how many rolls are tried when two of its embeddings are compared."""
    shape = shape_of(network)
    return shape[0] if len(shape) == 2 else 1


def with_weights(network: str, weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """Return a network with these weights, of as many backbones as they have.

    Raises
    ------
    RuntimeError
        If they are another network's.
    """
    weights = legacy.weights(weights)
    built = build(network, backbones=count_backbones(weights))
    built.load_state_dict(weights)
    return built


def build(network: str, *, weights: str | None = None, backbones: int = 1) -> nn.Module:
    """Return a fresh network by name; covernet of several backbones where so many are asked for.

    ``weights``: for ResNet-18 a file of ImageNet's or "imagenet", for covernet a file of its own.

    Raises
    ------
    ValueError
        If the name is unknown or the weights cannot be loaded.
    """
    if network == "covernet" and weights:
        return _begun(weights)
    if network == "covernet":
        return CoverNet(backbones)
    if network == "cqtnet":
        return CqtNet()
    if network == "cnn":
        return Cnn()
    if network in ("resnet18_last_block", "resnet18_all"):
        return ResNet18(last_block=network == "resnet18_last_block", weights=weights)
    raise ValueError(f"network must be one of {NETWORKS}, got {network!r}")
