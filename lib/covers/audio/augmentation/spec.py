"""Specs of augmentations: the effects there are, checking a spec, and drawing one at random.

*Conventions.* See `covers.audio.augmentation`. An effect function takes ``(x, value, *, rng, …)`` and
returns another array; ``rng`` depends on the spec's seed and the effect's place alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Effect:
    """One effect: what it does, and the unit and range of its values."""

    about: str
    unit: str
    low: float
    high: float
    n_values: int = 1
    neutral: Any = None  # the value that changes nothing, if there is one


EFFECTS = {
    "crop": Effect("keep a section: start, length", "share of the whole", 0, 1, 2),
    "time_stretch": Effect(
        "longer (> 1) or shorter, in the same key", "ratio of the lengths", 0.25, 4, neutral=1
    ),
    "pitch_shift": Effect("another key, at the same tempo", "semitones", -24, 24, neutral=0),
    "timbre": Effect("stronger overtones", "share", 0, 1, neutral=0),
    "eq": Effect("bass (< 131 Hz), middle and treble (> 523 Hz)", "dB", -60, 24, 3, (0, 0, 0)),
    "reverb": Effect("reverberation: time until it is 60 dB down", "s", 0, 10, neutral=0),
    "noise": Effect("white noise", "share of the input's standard deviation", 0, 10, neutral=0),
    "gain": Effect("louder or softer; frames of unit norm hold no level", "dB", -60, 24, neutral=0),
    "mask": Effect("silence a section: start, length", "share of the whole", 0, 1, 2),
}
Values = Mapping[str, Any]
EffectFunction = Callable[..., np.ndarray]


def parse(spec: str | Values | None) -> dict[str, Any]:
    """Return the seed of a spec and its effects, checked, in the order in which they are applied.

    Raises
    ------
    ValueError
        If it is not a JSON object, has an unknown effect or a value outside its range.
    """
    given = json.loads(spec) if isinstance(spec, str) else dict(spec or {})
    if not isinstance(given, dict) or set(given) - set(EFFECTS) - {"seed"}:
        raise ValueError(
            f"augmentation must be an object with keys of {[*EFFECTS, 'seed']}, got {given!r}"
        )
    parsed: dict[str, Any] = {"seed": int(given.get("seed", 0))}
    for name, effect in EFFECTS.items():
        if name not in given:
            continue
        values = np.atleast_1d(np.asarray(given[name], np.float64))
        if len(values) != effect.n_values or not np.all(
            (effect.low <= values) & (values <= effect.high)
        ):
            raise ValueError(
                f"augmentation {name} must be {effect.n_values} of {effect.low:g} to "
                f"{effect.high:g} [{effect.unit}], got {given[name]!r}"
            )
        parsed[name] = values.tolist() if effect.n_values > 1 else float(values[0])
    return parsed


def sample_augmentation(rng: np.random.Generator) -> dict[str, Any]:
    """Return a random spec of what differs between performances of a song.

    Tempo (0.86 to 1.16 times the length), weights of bass, middle and treble, one register almost
    left out, noise, a masked section. Not the key: covernet is invariant to it.
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


def apply_effects(
    x: np.ndarray,
    spec: str | Values | None,
    functions: Mapping[str, EffectFunction],
    **context: Any,
) -> np.ndarray:
    """Return ``x`` after the effects of a spec; ``x`` itself if none of them changes anything.

    Parameters
    ----------
    x : np.ndarray
        What every function takes first; time is the last axis.
    spec : str or Mapping or None
        JSON or its parsed form.
    functions : Mapping[str, EffectFunction]
        By name of the effect.
    **context
        Passed on to every function.

    Raises
    ------
    ValueError
        As `parse` does.
    """
    effects = parse(spec)
    seed = effects.pop("seed")
    for number, (name, value) in enumerate(effects.items()):
        if not np.array_equal(value, EFFECTS[name].neutral):
            rng = np.random.default_rng([seed, number])
            x = functions[name](x, value, rng=rng, **context)
    return x


def crop(x: np.ndarray, value: list[float], **_: Any) -> np.ndarray:
    """Keep the section [start, length], fractions of the last axis; at least one frame."""
    start, length = (round(v * x.shape[-1]) for v in value)
    start = min(start, x.shape[-1] - 1)
    return x[..., start : start + max(1, length)]


def mask(x: np.ndarray, value: list[float], *, silence: float = 0.0, **_: Any) -> np.ndarray:
    """Set the section [start, length], fractions of the last axis, to ``silence``."""
    start, length = (round(v * x.shape[-1]) for v in value)
    masked = x.copy()
    masked[..., start : start + length] = silence
    return masked
