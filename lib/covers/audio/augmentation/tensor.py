"""Augmentation of tensors: log_mel, log_frequency, chroma.

*Conventions.* A tensor is (n_bins, T), float32; see `covers.audio.features` and
`covers.audio.augmentation`. Frames of log_frequency and chroma come out with unit norm, log_mel
not below its floor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from covers.audio.augmentation import spec as specs
from covers.audio.augmentation.spec import EffectFunction, Values
from covers.audio.features import FLOOR_DB, LOW, REGISTERS, midi_to_hertz, parameters, roll_key

REGISTER_EDGES_HZ = tuple(float(midi_to_hertz(LOW + a)) for a, _ in REGISTERS[1:])  # 131 and 523 Hz


def augment_tensor(
    tensor: np.ndarray, representation: str, spec: str | Values | None
) -> np.ndarray:
    """Return a tensor augmented, float32; the tensor itself if the spec changes nothing.

    Parameters
    ----------
    tensor : np.ndarray, shape (n_bins, T)
    representation : str
        ``log_mel``, ``log_frequency`` or ``chroma``.
    spec : str or Mapping or None
        JSON or its parsed form; see `covers.audio.augmentation`.

    Returns
    -------
    np.ndarray, shape (n_bins, T'), float32
        ``T'`` differs from T after ``crop`` and ``time_stretch``.

    Raises
    ------
    ValueError
        As `spec.parse` does.
    """
    silence = FLOOR_DB if representation == "log_mel" else 0.0
    augmented = specs.apply_effects(
        tensor, spec, _EFFECTS, representation=representation, silence=silence
    )
    if augmented is tensor:
        return tensor
    if representation == "log_mel":
        augmented = np.maximum(augmented, FLOOR_DB)
    else:
        norms = np.linalg.norm(augmented, axis=0, keepdims=True)
        augmented = augmented / np.maximum(norms, 1e-6) * (norms > 1e-6)
    return np.ascontiguousarray(augmented, np.float32)


def stretch_time(tensor: np.ndarray, ratio: float) -> np.ndarray:
    """Return a tensor (n_bins, T), its time axis interpolated linearly to ``ratio`` times the length."""
    n = tensor.shape[1]
    at = np.linspace(0, n - 1, max(2, round(n * ratio)))
    left = np.minimum(at.astype(int), n - 1)
    right = np.minimum(left + 1, n - 1)
    weight = (at - left).astype(np.float32)
    return tensor[:, left] * (1 - weight) + tensor[:, right] * weight


def _stretch(x: np.ndarray, ratio: float, **_: Any) -> np.ndarray:
    return stretch_time(x, ratio)


def _shift_pitch(x: np.ndarray, semitones: float, *, representation: str, **_: Any) -> np.ndarray:
    steps = round(semitones)
    if not steps:  # less than half a semitone
        return x
    if representation == "chroma":
        return roll_key(x, steps)
    if representation == "log_frequency":
        return _shift_rows(x, np.arange(len(x)) - steps, 0.0)
    mel = _mel_hertz(len(x)) / 2 ** (steps / 12)
    return _shift_rows(x, np.searchsorted(_mel_hertz(len(x)), mel) - 1, FLOOR_DB)


def _add_overtones(x: np.ndarray, share: float, *, representation: str, **_: Any) -> np.ndarray:
    """Add the tensor an octave and a twelfth up, as its harmonics 2 and 3."""
    if representation == "log_mel":  # overtones brighten: a tilt of the spectrum around 1 kHz
        return x + 6 * share * np.log2(np.maximum(_mel_hertz(len(x)), 60.0) / 1000)[:, None]
    octave, twelfth = (_shift_pitch(x, n, representation=representation) for n in (12, 19))
    return x + share * (0.5 * octave + 0.3 * twelfth)


def _equalize(x: np.ndarray, decibels: list[float], *, representation: str, **_: Any) -> np.ndarray:
    if representation == "log_mel":
        return (
            x
            + np.asarray(decibels)[np.searchsorted(REGISTER_EDGES_HZ, _mel_hertz(len(x)))][:, None]
        )
    widths = [len(x) // 3] * 3 if representation == "chroma" else [b - a for a, b in REGISTERS]
    return x * np.repeat(10 ** (np.asarray(decibels) / 20), widths)[:, None].astype(np.float32)


def _reverberate(x: np.ndarray, seconds: float, *, representation: str, **_: Any) -> np.ndarray:
    """Let every frame decay into the next ones: 60 dB down after ``seconds``."""
    per_frame = 60 / max(seconds * parameters(representation).frames_per_second, 1e-9)  # dB
    if per_frame > 80:
        return x
    wet = x.copy()
    factor, step = (
        (1.0, per_frame) if representation == "log_mel" else (10 ** (-per_frame / 20), 0.0)
    )
    for t in range(1, x.shape[1]):
        wet[:, t] = np.maximum(wet[:, t], wet[:, t - 1] * factor - step)
    return wet


def _gain(x: np.ndarray, decibels: float, *, representation: str, **_: Any) -> np.ndarray:
    return x + decibels if representation == "log_mel" else x


def _shift_rows(x: np.ndarray, source: np.ndarray, empty: float) -> np.ndarray:
    inside = (source >= 0) & (source < len(x))
    return np.where(inside[:, None], x[np.clip(source, 0, len(x) - 1)], np.float32(empty))


def _mel_hertz(n_mels: int) -> np.ndarray:
    """Return the centres of log_mel's bands [Hz] (Slaney's scale: linear below 1 kHz)."""
    top = 15 + np.log(parameters("log_mel").sample_rate / 2 / 1000) / (np.log(6.4) / 27)
    mel = np.linspace(0, top, n_mels + 2)[1:-1]
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def _add_noise(
    x: np.ndarray, share: float, *, rng: np.random.Generator, representation: str, **_: Any
) -> np.ndarray:
    noise = share * np.std(x) * rng.standard_normal(x.shape, np.float32)
    return x + (noise if representation == "log_mel" else np.abs(noise))


_EFFECTS: dict[str, EffectFunction] = {
    "crop": specs.crop, "time_stretch": _stretch, "pitch_shift": _shift_pitch,
    "timbre": _add_overtones, "eq": _equalize, "reverb": _reverberate, "noise": _add_noise,
    "gain": _gain, "mask": specs.mask,
}  # fmt: skip
