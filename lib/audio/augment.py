"""Augmentations as data: a declared spec, applied to a tensor by one function.

*Conventions.* A spec is JSON: pitch_shift [semitones], time_stretch [ratio, > 1 = longer], noise
[share of the tensor's spread], seed. The same tensor and spec give the same bits.
"""

from __future__ import annotations

import json

import numpy as np

from lib.audio.representations import roll_key

MEL_BANDS_PER_SEMITONE = 1.5  # about, in the middle of 128 bands up to 11 kHz
_KEYS = {"pitch_shift", "time_stretch", "noise", "seed"}


def apply(tensor: np.ndarray, representation: str, spec: str | None) -> np.ndarray:
    """Return the augmented tensor, shape (n_bins, T'), float32; a spec of None changes nothing.

    Raises
    ------
    ValueError
        If the spec has an unknown key.
    """
    if spec is None:
        return tensor
    asked = json.loads(spec)
    if set(asked) - _KEYS:
        raise ValueError(f"augmentation must have keys of {sorted(_KEYS)}, got {sorted(asked)}")
    shift = int(asked.get("pitch_shift", 0))
    if shift and representation == "chroma":
        tensor = roll_key(tensor, shift)
    elif shift:
        bands = (
            shift if representation == "log_frequency" else round(shift * MEL_BANDS_PER_SEMITONE)
        )
        tensor = _shift_bands(tensor, bands)
    stretch = float(asked.get("time_stretch", 1.0))
    if stretch != 1.0:
        tensor = stretch_time(tensor, stretch)
    noise = float(asked.get("noise", 0.0))
    if noise:
        rng = np.random.default_rng(asked.get("seed", 0))
        tensor = tensor + noise * np.std(tensor) * rng.standard_normal(tensor.shape)
    return tensor.astype(np.float32)


def vary(tensor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return chroma, shape (36, T'), as another performance might have it; drawn anew each time.

    Another tempo (0.7 to 1.4), other weights of bass, middle and treble, a register left out, noise,
    a stretch of time masked. The key is left: covernet does not hear it.
    """
    varied = tensor
    if rng.random() < 0.7:
        varied = stretch_time(varied, float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))))
    weights = rng.uniform(0.4, 1.6, 3)
    if rng.random() < 0.3:
        weights[rng.integers(3)] *= rng.uniform(0, 0.3)
    varied = varied * np.repeat(weights, 12)[:, None]
    varied = varied + rng.uniform(0, 0.06) * np.abs(rng.standard_normal(varied.shape))
    if rng.random() < 0.5:
        n = varied.shape[1]
        length = int(rng.uniform(0.02, 0.15) * n)
        start = int(rng.integers(0, n - length + 1))
        varied[:, start : start + length] = 0
    norms = np.linalg.norm(varied, axis=0, keepdims=True)
    return (varied / np.maximum(norms, 1e-6) * (norms > 1e-6)).astype(np.float32)


def stretch_time(tensor: np.ndarray, ratio: float) -> np.ndarray:
    """Resample the time axis linearly to ``ratio`` times its length."""
    n = tensor.shape[1]
    at = np.linspace(0, n - 1, max(2, round(n * ratio)))
    left = np.minimum(at.astype(int), n - 1)
    right = np.minimum(left + 1, n - 1)
    weight = (at - left).astype(np.float32)
    return tensor[:, left] * (1 - weight) + tensor[:, right] * weight


def _shift_bands(tensor: np.ndarray, bands: int) -> np.ndarray:
    shifted = np.full_like(tensor, tensor.min())
    if bands > 0:
        shifted[bands:] = tensor[:-bands]
    elif bands < 0:
        shifted[:bands] = tensor[-bands:]
    return shifted
