"""The write-up's ResNet-18: one input channel, 128 outputs, all layers or the last block trained.

*Conventions.* Input (B, n_mels, T) float32 in dB below the maximum; output (B, 128) of unit L2 norm.

References
----------
He et al. "Deep residual learning for image recognition." CVPR 2016.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from covers.models.cnn import standardize_decibels


class ResNet18(nn.Module):
    """ResNet-18 with one input channel and 128 outputs; ``last_block`` trains layer4 and fc alone."""

    embedding_shape = (128,)
    sees_whole_track = False

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
        return F.normalize(self.net(standardize_decibels(x)[:, None]), dim=1)


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
            "--init-weights PATH, or none to start from random weights"
        ) from error
