"""CQT-Net, a published network to compare with.

*Conventions.* Input (B, 84, T) float32, semitones; output (B, 300), of unit L2 norm here.

References
----------
Yu, Xu, Chen, Yang. "Learning a representation for cover song identification using convolutional neural
network." ICASSP 2020.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class CqtNet(nn.Module):
    """CQT-Net as published: kernels of an octave first, then dilated in time, then a global maximum.

    The maximum over pitch and time makes the features independent of where, and in which key, a
    pattern is played.
    """

    embedding_shape = (300,)
    sees_whole_track = True
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
