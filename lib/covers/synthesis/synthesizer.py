"""A score as sound: a small wavetable synthesiser that needs nothing installed, or a sound font.

*Conventions.* Mono float32, peak 0.9. An instrument is the strengths of its harmonics and an
envelope; enough that timbres differ, not enough to please.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfilt

from covers.audio.features import hertz_of
from covers.synthesis import soundfont
from covers.synthesis.versions import TONE_PITCHES, Score, VersionSpec

TABLE = 2048
RELEASE_S = 0.08  # from a note's end to silence
DRUM_SECONDS = (0.25, 0.18, 0.05)  # kick, snare, hat
ROOM = ((0.031, 0.8), (0.053, 0.65), (0.083, 0.5), (0.127, 0.4), (0.191, 0.3))  # delay [s], gain
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


Sound = tuple[tuple[float, ...], float, float, float]  # as INSTRUMENTS has it


def sound_of(spec: VersionSpec, part: str, instrument: str) -> Sound:
    """Return how a part sounds: its own timbre, where the spec has one, else its instrument's."""
    own = INSTRUMENTS[instrument]
    if part not in spec.timbre:
        return own
    attack, decay, *strengths = spec.timbre[part]
    return tuple(strengths), attack, decay, own[3]


def tone(spec: VersionSpec, midi: np.ndarray) -> np.ndarray:
    """Return the gain of the spec's equaliser at these pitches, as a factor of magnitudes."""
    return 10 ** (np.interp(midi, TONE_PITCHES, spec.tone_db or np.zeros(len(TONE_PITCHES))) / 20)


@lru_cache(maxsize=256)
def _wave(all_strengths: tuple[float, ...], n_harmonics: int) -> np.ndarray:
    strengths = all_strengths[:n_harmonics]
    phase = 2 * np.pi * np.arange(TABLE) / TABLE
    wave = sum(a * np.sin((h + 1) * phase + h) for h, a in enumerate(strengths))
    return (wave / np.sqrt(sum(a * a for a in strengths))).astype(np.float32)


def check(score: Score) -> None:
    """Refuse a score that cannot be played.

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
    """Return the sound of a version, shape (n,), float32, mono.

    Raises
    ------
    ValueError
        If an instrument is unknown or the score has no length; with a font, as `soundfont.play`.
    """
    check(score)
    rng = np.random.default_rng([spec.seed, 1])
    if spec.font:
        return produce(soundfont.play(score, spec, sample_rate), spec, rng, sample_rate)
    mix = np.zeros(int(score.duration_s * sample_rate), dtype=np.float32)
    for part, (instrument, notes) in score.parts.items():
        sound = sound_of(spec, part, instrument)
        for onset, duration, pitch, velocity in notes:
            _add_note(mix, sound, (onset, duration, pitch, velocity), sample_rate)
    for onset, kind, velocity in score.drums:
        _add_drum(mix, onset, int(kind), velocity, rng, sample_rate)
    return produce(mix, spec, rng, sample_rate)


def compressor(power: np.ndarray, share: float) -> np.ndarray:
    """Return the gain that takes ``share`` of the decibels between a power and its mean away.

    What is more than 40 dB below the mean is raised no further.
    """
    mean = power.mean() or 1.0
    return np.maximum(power / mean, 1e-4) ** (-share / 2)


def _add_note(mix: np.ndarray, sound: Sound, note: tuple, sample_rate: int) -> None:
    onset, duration, pitch, velocity = note
    strengths, attack, decay, vibrato = sound
    start = int(onset * sample_rate)
    n = min(int((duration + RELEASE_S) * sample_rate), len(mix) - start)
    if n <= 0 or start < 0:
        return
    t = np.arange(n, dtype=np.float32) / sample_rate
    frequency = hertz_of(pitch)
    phase = frequency * t
    if vibrato:
        depth = frequency * (2 ** (vibrato / 12) - 1)
        phase += depth / (2 * np.pi * 5.5) * np.sin(2 * np.pi * 5.5 * t)
    harmonics = int(max(1, min(8, 0.45 * sample_rate // float(frequency))))
    index = (phase * TABLE).astype(np.int64) & (TABLE - 1)
    envelope = np.minimum(t / attack, 1.0) * np.exp(-decay * t)
    envelope *= np.clip((duration + RELEASE_S - t) / RELEASE_S, 0, 1)
    mix[start : start + n] += velocity * envelope * _wave(strengths, harmonics)[index]


def _add_drum(
    mix: np.ndarray,
    onset: float,
    kind: int,
    velocity: float,
    rng: np.random.Generator,
    sample_rate: int,
) -> None:
    hit = drum_hit(kind, rng, sample_rate)
    start = int(onset * sample_rate)
    heard = mix[start : start + len(hit)]
    heard += velocity * hit[: len(heard)]


def drum_hit(kind: int, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Return the sound of a kick (0), snare (1) or hat (2) struck at full force, float32."""
    t = np.arange(int(DRUM_SECONDS[kind] * sample_rate)) / sample_rate
    if kind == 0:
        hit = np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-30 * t)))) * np.exp(-14 * t)
    else:
        hit = rng.standard_normal(len(t)) * np.exp(-(25 if kind == 1 else 80) * t)
        hit = np.diff(hit, prepend=0) if kind == 2 else hit
    return (0.8 * hit).astype(np.float32)


def produce(
    mix: np.ndarray, spec: VersionSpec, rng: np.random.Generator, sample_rate: int
) -> np.ndarray:
    """Room, compression, bandwidth, tone, noise, level."""
    if spec.room > 0:
        wet = np.zeros_like(mix)
        for delay_s, gain in ROOM:
            d = int(delay_s * sample_rate)
            wet[d:] += gain * mix[:-d]
        mix = (1 - spec.room) * mix + spec.room * wet
    if spec.compression > 0:
        power = uniform_filter1d(mix**2, sample_rate // 4)
        mix = mix * compressor(power, spec.compression).astype(np.float32)
    if spec.lowpass_hz < 0.45 * sample_rate:
        mix = sosfilt(butter(4, spec.lowpass_hz, fs=sample_rate, output="sos"), mix)
    if spec.tone_db:
        mix = _toned(mix, spec, sample_rate)
    level = np.sqrt(np.mean(mix**2)) or 1.0
    mix = mix + level * 10 ** (spec.noise_db / 20) * rng.standard_normal(len(mix))
    return (0.9 * mix / (np.abs(mix).max() or 1.0)).astype(np.float32)


def _toned(mix: np.ndarray, spec: VersionSpec, sample_rate: int) -> np.ndarray:
    n = fft.next_fast_len(len(mix) + sample_rate // 4, real=True)
    frequencies = np.maximum(fft.rfftfreq(n, 1 / sample_rate), 1.0)
    gain = tone(spec, 69 + 12 * np.log2(frequencies / 440))
    return fft.irfft(fft.rfft(mix, n) * gain, n)[: len(mix)]
