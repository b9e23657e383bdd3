"""The write-up's CNN, trained from scratch on log-mel crops.

*Conventions.* Input (B, n_mels, T) float32 in dB below the maximum; output (B, 128) of unit L2 norm.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def standardize_decibels(x: torch.Tensor) -> torch.Tensor:
    """Bring log-mel (-80 to 0 dB) to about unit standard deviation; other inputs pass unchanged."""
    return (x + 40) / 20 if x.min() < -1 else x


class Cnn(nn.Module):
    """Three convolutions, pooled to 8 x 8, then two linear layers.

    The write-up flattened by ``view(-1, 8192)``, which mixed the examples of a batch. Adaptive pooling
    makes the 8,192 inputs those of one example.
    """

    embedding_shape = (128,)
    sees_whole_track = False

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
        return F.normalize(self.head(self.features(standardize_decibels(x)[:, None])), dim=1)
