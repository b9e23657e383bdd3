"""Scores to waveforms, by a small wavetable synthesizer that needs nothing installed, or a soundfont.

*Conventions.* A waveform is (n,), float32, mono, peak 0.9. An instrument is the strengths of its
harmonics and an envelope: enough for timbres to differ, not to sound realistic.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from covers.audio.features import midi_to_hertz
from covers.synthesis import soundfont
from covers.synthesis.arrange import Score
from covers.synthesis.effects import apply_effects
from covers.synthesis.version_spec import VersionSpec

TABLE = 2048  # samples of a wavetable
RELEASE_S = 0.08  # from a note's end to silence
DRUM_S = (0.25, 0.18, 0.05)  # length of kick, snare, hat
INSTRUMENTS = {  # strengths of harmonics 1…, attack [s], decay rate [1/s], vibrato [semitones]
    "piano": ((1, 0.6, 0.35, 0.25, 0.15, 0.1), 0.005, 2.5, 0.0),
    "guitar": ((1, 0.8, 0.5, 0.4, 0.2, 0.15, 0.1), 0.003, 3.5, 0.0),
    "strings": ((1, 0.7, 0.5, 0.4, 0.35, 0.3, 0.2, 0.15), 0.12, 0.2, 0.15),
    "brass": ((0.7, 0.9, 1, 0.8, 0.6, 0.4, 0.25), 0.05, 0.3, 0.05),
    "organ": ((1, 0.9, 0.1, 0.6, 0.05, 0.4, 0, 0.3), 0.01, 0.0, 0.0),
    "voice": ((1, 0.5, 0.7, 0.25, 0.1, 0.08), 0.06, 0.2, 0.3),
    "flute": ((1, 0.2, 0.08, 0.03), 0.05, 0.1, 0.1),
    "pad": ((1, 0.4, 0.3, 0.1, 0.1), 0.3, 0.0, 0.05),
    "bass": ((1, 0.6, 0.3, 0.15), 0.01, 1.5, 0.0),
}


Timbre = tuple[tuple[float, ...], float, float, float]  # as in INSTRUMENTS


def select_timbre(spec: VersionSpec, part: str, instrument: str) -> Timbre:
    """Return the timbre of a part: the spec's if it has one, else its instrument's."""
    default = INSTRUMENTS[instrument]
    if part not in spec.timbre:
        return default
    attack, decay, *strengths = spec.timbre[part]
    return tuple(strengths), attack, decay, default[3]


def check_score(score: Score) -> None:
    """Reject a score that cannot be played.

    Raises
    ------
    ValueError
        If an instrument is unknown or the score has no length.
    """
    if score.duration_s <= 0:
        raise ValueError(f"duration_s must be positive [s], got {score.duration_s}")
    for instrument, _ in score.parts.values():
        if instrument not in INSTRUMENTS:
            raise ValueError(f"instrument must be one of {sorted(INSTRUMENTS)}, got {instrument!r}")


def render(score: Score, spec: VersionSpec, *, sample_rate: int = 16_000) -> np.ndarray:
    """Return the waveform of a version, shape (n,), float32, mono, peak 0.9.

    Raises
    ------
    ValueError
        If an instrument is unknown or the score has no length; with a soundfont, as `soundfont.play_score`.
    """
    check_score(score)
    rng = np.random.default_rng([spec.seed, 1])
    if spec.soundfont:
        return apply_effects(soundfont.play_score(score, spec, sample_rate), spec, rng, sample_rate)
    mix = np.zeros(int(score.duration_s * sample_rate), dtype=np.float32)
    for part, (instrument, notes) in score.parts.items():
        timbre = select_timbre(spec, part, instrument)
        for onset, duration, pitch, velocity in notes:
            _add_note(mix, timbre, (onset, duration, pitch, velocity), sample_rate)
    for onset, kind, velocity in score.drums:
        _add_drum(mix, onset, int(kind), velocity, rng, sample_rate)
    return apply_effects(mix, spec, rng, sample_rate)


@lru_cache(maxsize=256)
def _wavetable(all_strengths: tuple[float, ...], n_harmonics: int) -> np.ndarray:
    """Return one period of unit power, TABLE samples."""
    strengths = all_strengths[:n_harmonics]
    phase = 2 * np.pi * np.arange(TABLE) / TABLE
    wave = sum(a * np.sin((h + 1) * phase + h) for h, a in enumerate(strengths))
    return (wave / np.sqrt(sum(a * a for a in strengths))).astype(np.float32)


def _add_note(mix: np.ndarray, timbre: Timbre, note: tuple, sample_rate: int) -> None:
    onset, duration, pitch, velocity = note
    strengths, attack, decay, vibrato = timbre
    start = int(onset * sample_rate)
    n = min(int((duration + RELEASE_S) * sample_rate), len(mix) - start)
    if n <= 0 or start < 0:
        return
    t = np.arange(n, dtype=np.float32) / sample_rate
    frequency = midi_to_hertz(pitch)
    phase = frequency * t
    if vibrato:
        depth = frequency * (2 ** (vibrato / 12) - 1)
        phase += depth / (2 * np.pi * 5.5) * np.sin(2 * np.pi * 5.5 * t)
    n_harmonics = int(max(1, min(8, 0.45 * sample_rate // float(frequency))))
    index = (phase * TABLE).astype(np.int64) & (TABLE - 1)
    envelope = np.minimum(t / attack, 1.0) * np.exp(-decay * t)
    envelope *= np.clip((duration + RELEASE_S - t) / RELEASE_S, 0, 1)
    mix[start : start + n] += velocity * envelope * _wavetable(strengths, n_harmonics)[index]


def _add_drum(
    mix: np.ndarray,
    onset: float,
    kind: int,
    velocity: float,
    rng: np.random.Generator,
    sample_rate: int,
) -> None:
    hit = synthesize_drum(kind, rng, sample_rate)
    start = int(onset * sample_rate)
    target = mix[start : start + len(hit)]
    target += velocity * hit[: len(target)]


def synthesize_drum(kind: int, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Return the waveform of a kick (0), snare (1) or hat (2) at full velocity, float32."""
    t = np.arange(int(DRUM_S[kind] * sample_rate)) / sample_rate
    if kind == 0:
        hit = np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-30 * t)))) * np.exp(-14 * t)
    else:
        hit = rng.standard_normal(len(t)) * np.exp(-(25 if kind == 1 else 80) * t)
        hit = np.diff(hit, prepend=0) if kind == 2 else hit
    return (0.8 * hit).astype(np.float32)
