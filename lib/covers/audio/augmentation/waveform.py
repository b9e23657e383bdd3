"""Augmentation of waveforms, by audiomentations and torchaudio.

*Conventions.* A waveform is (n,), float32, mono, in [-1, 1]; see `covers.audio.augmentation`.

References
----------
Iver Jordal. audiomentations. Signalsmith stretch (time stretching, pitch shifting).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torchaudio

from covers.audio.augmentation import spec as specs
from covers.audio.augmentation.spec import EffectFunction, Values
from covers.audio.augmentation.tensor import REGISTER_EDGES_HZ


def augment_waveform(
    waveform: np.ndarray, sample_rate: int, spec: str | Values | None
) -> np.ndarray:
    """Return a waveform augmented, float32; the waveform itself if the spec changes nothing.

    Parameters
    ----------
    waveform : np.ndarray, shape (n,), float32
        In [-1, 1].
    sample_rate : int
        Of the waveform [Hz].
    spec : str or Mapping or None
        JSON or its parsed form; see `covers.audio.augmentation`.

    Raises
    ------
    ValueError
        As `spec.parse` does; or if the sample rate is not positive.
    """
    if sample_rate <= 0:
        raise ValueError(f"sample_rate must be positive [Hz], got {sample_rate}")
    augmented = specs.apply_effects(waveform, spec, _EFFECTS, sample_rate=sample_rate)
    if augmented is waveform:
        return waveform
    return np.ascontiguousarray(augmented, np.float32)


def _by_audiomentations(
    x: np.ndarray, sample_rate: int, name: str, /, **values: float
) -> np.ndarray:
    """Apply a transform of audiomentations with fixed values instead of random ones."""
    import audiomentations  # here, for it takes seconds to import

    transform = getattr(audiomentations, name)(p=1.0)
    if name == "TimeStretch":
        transform.leave_length_unchanged = False
    transform.parameters = {"should_apply": True, **values}
    transform.freeze_parameters()
    return transform(x.astype(np.float32, copy=False), sample_rate=sample_rate)


def _stretch(x: np.ndarray, ratio: float, *, sample_rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, sample_rate, "TimeStretch", rate=1 / ratio)


def _shift_pitch(x: np.ndarray, semitones: float, *, sample_rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, sample_rate, "PitchShift", num_semitones=semitones)


def _distort(x: np.ndarray, share: float, *, sample_rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, sample_rate, "TanhDistortion", distortion_amount=share)


def _equalize(x: np.ndarray, decibels: list[float], *, sample_rate: int, **_: Any) -> np.ndarray:
    low, middle, high = decibels
    shelves = (
        ("LowShelfFilter", REGISTER_EDGES_HZ[0], low - middle),
        ("HighShelfFilter", REGISTER_EDGES_HZ[1], high - middle),
    )
    for name, hertz, gain in shelves:
        if gain:
            x = _by_audiomentations(
                x, sample_rate, name, center_freq=hertz, gain_db=gain, q_factor=0.7
            )
    return _gain(x, middle, sample_rate=sample_rate) if middle else x


def _reverberate(
    x: np.ndarray, seconds: float, *, rng: np.random.Generator, sample_rate: int, **_: Any
) -> np.ndarray:
    """Convolve with decaying noise of a fifth of the energy; the tail beyond the end is cut."""
    n = round(seconds * sample_rate)
    if not n:
        return x
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail *= 0.5 / np.linalg.norm(tail)
    tail[0] += 1.0
    response = torch.from_numpy(tail.astype(np.float32))
    return torchaudio.functional.fftconvolve(torch.from_numpy(x), response).numpy()[: len(x)]


def _gain(x: np.ndarray, decibels: float, *, sample_rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, sample_rate, "Gain", amplitude_ratio=10 ** (decibels / 20))


def _add_noise(x: np.ndarray, share: float, *, rng: np.random.Generator, **_: Any) -> np.ndarray:
    return x + share * np.std(x) * rng.standard_normal(x.shape, np.float32)


_EFFECTS: dict[str, EffectFunction] = {
    "crop": specs.crop, "time_stretch": _stretch, "pitch_shift": _shift_pitch,
    "timbre": _distort, "eq": _equalize, "reverb": _reverberate, "noise": _add_noise,
    "gain": _gain, "mask": specs.mask,
}  # fmt: skip
