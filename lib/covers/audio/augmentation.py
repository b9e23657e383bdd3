"""Augmentations as data: a declared spec, applied to sound or to a tensor by one function.

*Conventions.* A spec is a JSON object: effects of `VOCABULARY` with their values, and a seed for
those that draw. They are applied in the vocabulary's order, whatever the object's. The same input
and spec give the same bits, so an augmented example is a row number and a spec, never a copy.
``crop`` and ``mask`` are [start, length] as shares of the whole.

References
----------
Iver Jordal. audiomentations. Signalsmith stretch (pitch and time of sound).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torchaudio

from covers.audio.features import FLOOR_DB, LOW, REGISTERS, hertz_of, parameters, roll_key

SOUND = "sound"
_EDGES_HZ = tuple(float(hertz_of(LOW + a)) for a, _ in REGISTERS[1:])  # 131 and 523 Hz


@dataclass(frozen=True)
class Effect:
    """One word of the vocabulary: what it does, in which unit, between which values."""

    about: str
    unit: str
    low: float
    high: float
    n_values: int = 1
    neutral: Any = None  # the value that changes nothing, where there is one


VOCABULARY = {
    "crop": Effect("keep a stretch: start, length", "share of the whole", 0, 1, 2),
    "time_stretch": Effect(
        "longer (> 1) or shorter, in the same key", "ratio of the lengths", 0.25, 4, neutral=1
    ),
    "pitch_shift": Effect("another key, at the same tempo", "semitones", -24, 24, neutral=0),
    "timbre": Effect("stronger overtones", "share", 0, 1, neutral=0),
    "eq": Effect("bass (< 131 Hz), middle and treble (> 523 Hz)", "dB", -60, 24, 3, (0, 0, 0)),
    "reverb": Effect("a room: time until it is 60 dB down", "s", 0, 10, neutral=0),
    "noise": Effect("white noise", "share of the input's spread", 0, 10, neutral=0),
    "gain": Effect("louder or softer; frames of unit norm hold no level", "dB", -60, 24, neutral=0),
    "mask": Effect("silence a stretch: start, length", "share of the whole", 0, 1, 2),
}
Values = Mapping[str, Any]


def parse(spec: str | Values | None) -> dict[str, Any]:
    """Return the checked effects of a spec, in the order in which they are applied, and its seed.

    Raises
    ------
    ValueError
        If it is not a JSON object, has an unknown effect or a value outside its range.
    """
    asked = json.loads(spec) if isinstance(spec, str) else dict(spec or {})
    if not isinstance(asked, dict) or set(asked) - set(VOCABULARY) - {"seed"}:
        raise ValueError(
            f"augmentation must be an object with keys of {[*VOCABULARY, 'seed']}, got {asked!r}"
        )
    found: dict[str, Any] = {"seed": int(asked.get("seed", 0))}
    for name, effect in VOCABULARY.items():
        if name not in asked:
            continue
        values = np.atleast_1d(np.asarray(asked[name], np.float64))
        if len(values) != effect.n_values or not np.all(
            (effect.low <= values) & (values <= effect.high)
        ):
            raise ValueError(
                f"augmentation {name} must be {effect.n_values} of {effect.low:g} to "
                f"{effect.high:g} [{effect.unit}], got {asked[name]!r}"
            )
        found[name] = values.tolist() if effect.n_values > 1 else float(values[0])
    return found


def apply(
    x: np.ndarray, kind: str, spec: str | Values | None, *, sample_rate: int | None = None
) -> np.ndarray:
    """Return ``x`` augmented, float32; without effects, ``x`` itself.

    Parameters
    ----------
    x
        Sound, shape (n,), in [-1, 1]; or a tensor, shape (n_bins, T).
    kind
        ``sound``, or the tensor's representation: log_mel, log_frequency, chroma.
    spec
        JSON or its parsed form.
    sample_rate
        Of the sound [Hz].

    Raises
    ------
    ValueError
        As `parse` does; or if sound comes without its rate.
    """
    effects = parse(spec)
    seed = effects.pop("seed")
    if kind == SOUND and not sample_rate:
        raise ValueError(f"sample_rate must be given with sound [Hz], got {sample_rate}")
    on = _SOUND if kind == SOUND else _TENSOR
    made = x
    for number, (name, value) in enumerate(effects.items()):
        rng = np.random.default_rng([seed, number])
        if np.array_equal(value, VOCABULARY[name].neutral):
            continue
        made = on[name](made, value, rng=rng, kind=kind, rate=sample_rate)
    if made is x:
        return x
    if kind in {"chroma", "log_frequency"}:
        norms = np.linalg.norm(made, axis=0, keepdims=True)
        made = made / np.maximum(norms, 1e-6) * (norms > 1e-6)
    elif kind == "log_mel":
        made = np.maximum(made, FLOOR_DB)
    return np.ascontiguousarray(made, np.float32)


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Return the effects that tell one performance from another, drawn anew each time.

    Another tempo (0.86 to 1.16), other weights of bass, middle and treble, a register left out, noise,
    a stretch of time masked. The key is left: covernet does not hear it.
    """
    spec: dict[str, Any] = {"seed": int(rng.integers(1 << 31))}
    if rng.random() < 0.7:
        spec["time_stretch"] = float(np.exp(rng.uniform(-0.15, 0.15)))
    weights = rng.uniform(0.4, 1.6, 3)
    if rng.random() < 0.3:
        weights[rng.integers(3)] *= rng.uniform(0.01, 0.3)
    spec["eq"] = (20 * np.log10(weights)).tolist()
    spec["noise"] = rng.uniform(0, 0.5)
    if rng.random() < 0.5:
        length = rng.uniform(0.02, 0.15)
        spec["mask"] = [rng.uniform(0, 1 - length), length]
    return spec


def stretch_time(tensor: np.ndarray, ratio: float) -> np.ndarray:
    """Resample the time axis linearly to ``ratio`` times its length."""
    n = tensor.shape[1]
    at = np.linspace(0, n - 1, max(2, round(n * ratio)))
    left = np.minimum(at.astype(int), n - 1)
    right = np.minimum(left + 1, n - 1)
    weight = (at - left).astype(np.float32)
    return tensor[:, left] * (1 - weight) + tensor[:, right] * weight


def _crop(x: np.ndarray, value: list[float], **_: Any) -> np.ndarray:
    start, length = (round(v * x.shape[-1]) for v in value)
    start = min(start, x.shape[-1] - 1)
    return x[..., start : start + max(1, length)]


def _mask(x: np.ndarray, value: list[float], **about: Any) -> np.ndarray:
    start, length = (round(v * x.shape[-1]) for v in value)
    masked = x.copy()
    masked[..., start : start + length] = FLOOR_DB if about["kind"] == "log_mel" else 0.0
    return masked


def _noise(
    x: np.ndarray, share: float, *, rng: np.random.Generator, kind: str, **_: Any
) -> np.ndarray:
    noise = share * np.std(x) * rng.standard_normal(x.shape, np.float32)
    return x + (np.abs(noise) if kind in {"chroma", "log_frequency"} else noise)


def _stretch_tensor(x: np.ndarray, ratio: float, **_: Any) -> np.ndarray:
    return stretch_time(x, ratio)


def _shift_tensor(x: np.ndarray, semitones: float, *, kind: str, **_: Any) -> np.ndarray:
    steps = round(semitones)
    if not steps:  # less than half a semitone
        return x
    if kind == "chroma":
        return roll_key(x, steps)
    if kind == "log_frequency":
        return _moved(x, np.arange(len(x)) - steps, 0.0)
    mel = _mel_hertz(len(x)) / 2 ** (steps / 12)
    return _moved(x, np.searchsorted(_mel_hertz(len(x)), mel) - 1, FLOOR_DB)


def _timbre_tensor(x: np.ndarray, share: float, *, kind: str, **_: Any) -> np.ndarray:
    """Add what an octave and a twelfth up would sound like."""
    if kind == "log_mel":  # overtones brighten: a tilt, its middle at 1 kHz
        return x + 6 * share * np.log2(np.maximum(_mel_hertz(len(x)), 60.0) / 1000)[:, None]
    octave, twelfth = (_shift_tensor(x, n, kind=kind) for n in (12, 19))
    return x + share * (0.5 * octave + 0.3 * twelfth)


def _eq_tensor(x: np.ndarray, decibels: list[float], *, kind: str, **_: Any) -> np.ndarray:
    if kind == "log_mel":
        return x + np.asarray(decibels)[np.searchsorted(_EDGES_HZ, _mel_hertz(len(x)))][:, None]
    widths = [len(x) // 3] * 3 if kind == "chroma" else [b - a for a, b in REGISTERS]
    return x * np.repeat(10 ** (np.asarray(decibels) / 20), widths)[:, None].astype(np.float32)


def _reverb_tensor(x: np.ndarray, seconds: float, *, kind: str, **_: Any) -> np.ndarray:
    """Let every frame decay into the next ones: 60 dB down after ``seconds``."""
    per_frame = 60 / max(seconds * parameters(kind).frames_per_second, 1e-9)  # dB
    if per_frame > 80:
        return x
    wet = x.copy()
    factor, step = (1.0, per_frame) if kind == "log_mel" else (10 ** (-per_frame / 20), 0.0)
    for t in range(1, x.shape[1]):
        wet[:, t] = np.maximum(wet[:, t], wet[:, t - 1] * factor - step)
    return wet


def _gain_tensor(x: np.ndarray, decibels: float, *, kind: str, **_: Any) -> np.ndarray:
    return x + decibels if kind == "log_mel" else x


def _moved(x: np.ndarray, source: np.ndarray, empty: float) -> np.ndarray:
    inside = (source >= 0) & (source < len(x))
    return np.where(inside[:, None], x[np.clip(source, 0, len(x) - 1)], np.float32(empty))


def _mel_hertz(n_mels: int) -> np.ndarray:
    """Return the centres of log_mel's bands [Hz] (Slaney's scale: linear below 1 kHz)."""
    top = 15 + np.log(parameters("log_mel").sample_rate / 2 / 1000) / (np.log(6.4) / 27)
    mel = np.linspace(0, top, n_mels + 2)[1:-1]
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def _by_audiomentations(x: np.ndarray, hertz: int, name: str, /, **values: float) -> np.ndarray:
    """Apply a transform of audiomentations with these values, nothing drawn."""
    import audiomentations  # here: seconds to import, and only sound needs it

    transform = getattr(audiomentations, name)(p=1.0)
    if name == "TimeStretch":
        transform.leave_length_unchanged = False
    transform.parameters = {"should_apply": True, **values}
    transform.freeze_parameters()
    return transform(x.astype(np.float32, copy=False), sample_rate=hertz)


def _stretch_sound(x: np.ndarray, ratio: float, *, rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, rate, "TimeStretch", rate=1 / ratio)


def _shift_sound(x: np.ndarray, semitones: float, *, rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, rate, "PitchShift", num_semitones=semitones)


def _timbre_sound(x: np.ndarray, share: float, *, rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, rate, "TanhDistortion", distortion_amount=share)


def _eq_sound(x: np.ndarray, decibels: list[float], *, rate: int, **_: Any) -> np.ndarray:
    low, middle, high = decibels
    shelves = (
        ("LowShelfFilter", _EDGES_HZ[0], low - middle),
        ("HighShelfFilter", _EDGES_HZ[1], high - middle),
    )
    for name, hertz, gain in shelves:
        if gain:
            x = _by_audiomentations(x, rate, name, center_freq=hertz, gain_db=gain, q_factor=0.7)
    return _gain_sound(x, middle, rate=rate) if middle else x


def _reverb_sound(
    x: np.ndarray, seconds: float, *, rng: np.random.Generator, rate: int, **_: Any
) -> np.ndarray:
    """Convolve with decaying noise, a fifth of the energy; the tail beyond the end is cut."""
    n = round(seconds * rate)
    if not n:
        return x
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail *= 0.5 / np.linalg.norm(tail)
    tail[0] += 1.0
    room = torch.from_numpy(tail.astype(np.float32))
    return torchaudio.functional.fftconvolve(torch.from_numpy(x), room).numpy()[: len(x)]


def _gain_sound(x: np.ndarray, decibels: float, *, rate: int, **_: Any) -> np.ndarray:
    return _by_audiomentations(x, rate, "Gain", amplitude_ratio=10 ** (decibels / 20))


_Apply = Callable[..., np.ndarray]
_TENSOR: dict[str, _Apply] = {
    "crop": _crop, "time_stretch": _stretch_tensor, "pitch_shift": _shift_tensor,
    "timbre": _timbre_tensor, "eq": _eq_tensor, "reverb": _reverb_tensor, "noise": _noise,
    "gain": _gain_tensor, "mask": _mask,
}  # fmt: skip
_SOUND: dict[str, _Apply] = {
    "crop": _crop, "time_stretch": _stretch_sound, "pitch_shift": _shift_sound,
    "timbre": _timbre_sound, "eq": _eq_sound, "reverb": _reverb_sound, "noise": _noise,
    "gain": _gain_sound, "mask": _mask,
}  # fmt: skip
