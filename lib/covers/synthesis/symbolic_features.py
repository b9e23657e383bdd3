"""A score as log-frequency, straight from its notes: what `representations` would make of its sound.

No sound of the song is made. How the representation hears a steady partial of each semitone, white
noise and each drum is measured once a process, by running it on them; notes, drums and noise are
then added up as power, frame by frame, and room and bandwidth are applied as `render` does to sound.

*Conventions.* (84, T) float32, 4 frames/s, as `representations` has it; `fold` makes chroma of it.

References
----------
Brown. "Calculation of a constant Q spectral transform." JASA 1991.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import convolve1d

from covers.audio import features
from covers.audio.features import HIGH, LOW, hertz_of, parameters, windows
from covers.synthesis.synthesizer import (
    DRUM_SECONDS,
    RELEASE_S,
    ROOM,
    Sound,
    check,
    compressor,
    drum_hit,
    sound_of,
    tone,
)
from covers.synthesis.versions import Score, VersionSpec

FINE = 8  # fine frames a frame: notes begin and end on these
N = HIGH - LOW
_P = parameters("log_frequency")
RATE = _P.frames_per_second * FINE  # fine frames a second


@dataclass(frozen=True)
class Hearing:
    """What the representation makes of things whose sound is known, as power of magnitudes."""

    sine: np.ndarray  # (84, 84): of a steady unit sine of semitone j in semitone i
    noise: np.ndarray  # (84,): of white noise of unit variance, mean
    spread: np.ndarray  # (84,): of the same, standard deviation of the magnitude over its mean
    drums: tuple[np.ndarray, ...]  # (84, n) each: of a hit in the middle, fine frame by fine frame


@lru_cache(maxsize=1)
def hearing() -> Hearing:
    """Run the representation on a sine of each semitone, on noise, and on each drum."""
    rate, rng = _P.sample_rate, np.random.default_rng(0)
    t = np.arange(3 * rate) / rate
    sines = [_heard(np.sin(2 * np.pi * hertz_of(m) * t)) for m in range(LOW, HIGH)]
    noise = _heard(rng.standard_normal(120 * rate))
    drums = []
    for kind in range(len(DRUM_SECONDS)):
        hits = []
        for _ in range(1 if kind == 0 else 12):  # a kick is the same each time, noise is not
            sound = np.zeros(4 * rate)
            hit = drum_hit(kind, rng, rate)
            sound[2 * rate : 2 * rate + len(hit)] = hit
            hits.append(_heard(sound, hop=_P.hop // FINE) ** 2)
        drums.append(np.mean(hits, axis=0))
    return Hearing(
        np.stack([s[:, 5:-5].mean(axis=1) for s in sines], axis=1) ** 2,
        (noise**2).mean(axis=1),
        noise.std(axis=1) / noise.mean(axis=1),
        tuple(drums),
    )


def log_frequency(score: Score, spec: VersionSpec) -> np.ndarray:
    """Return the tensor of a version, shape (84, T), float32.

    Raises
    ------
    ValueError
        If an instrument is unknown or the score has no length.
    """
    check(score)
    rng = np.random.default_rng([spec.seed, 2])
    n_frames = 1 + int(score.duration_s * _P.frames_per_second)
    power = np.zeros((N, n_frames * FINE))
    for part, (instrument, notes) in score.parts.items():
        _add_notes(power, sound_of(spec, part, instrument), notes, spec.tuning_cents / 100)
    heard = hearing()
    seen = heard.sine @ _through_windows(_in_room(power, spec.room))
    seen += _drums(score.drums, n_frames, rng) * ((1 - spec.room) ** 2 + spec.room**2)
    if spec.compression > 0:
        seen *= compressor(seen.sum(axis=0), spec.compression) ** 2
    seen /= 1 + (hertz_of(np.arange(LOW, HIGH)) / spec.lowpass_hz)[:, None] ** 8  # Butterworth
    toned = tone(spec, np.arange(LOW, HIGH)) ** 2
    seen *= toned[:, None]
    variance = toned @ power.mean(axis=1) / 2 * 10 ** (spec.noise_db / 10)
    speckle = np.maximum(1 + heard.spread[:, None] * rng.standard_normal(seen.shape), 0) ** 2
    return features.compress(np.sqrt(seen + variance * heard.noise[:, None] * speckle))


def _heard(sound: np.ndarray, hop: int = _P.hop) -> np.ndarray:
    return features.magnitudes([sound.astype(np.float32)], replace(_P, hop=hop))


def _add_notes(power: np.ndarray, sound: Sound, notes: np.ndarray, tuning: float) -> None:
    """Add every harmonic of every note to its semitone, fine frame by fine frame."""
    if not len(notes):
        return
    strengths, attack, decay, _ = sound
    onset, duration, pitch, velocity = notes.T
    first = np.floor(onset * RATE).astype(int)
    length = np.ceil((duration + RELEASE_S) * RATE).astype(int) + 1
    at = first[:, None] + np.arange(length.max())  # (notes, fine frames)
    t = (at + 0.5) / RATE - onset[:, None]
    envelope = np.clip(t / attack, 0, 1) * np.exp(-decay * np.maximum(t, 0))
    envelope *= np.clip((duration[:, None] + RELEASE_S - t) / RELEASE_S, 0, 1)
    level = (velocity[:, None] * envelope) ** 2
    inside = (at >= 0) & (at < power.shape[1]) & (level > 1e-9)
    note, at, level = np.nonzero(inside)[0], at[inside], level[inside]
    harmonics = np.minimum(8, 0.45 * _P.sample_rate // hertz_of(pitch))
    for number, strength in enumerate(strengths, 1):
        bins = np.round(pitch - tuning + 12 * np.log2(number)).astype(int) - LOW
        bins = np.where((bins >= 0) & (bins < N) & (number <= harmonics), bins, -1)[note]
        index = bins * power.shape[1] + at
        added = level * strength**2 / np.sum(np.square(strengths))
        heard = bins >= 0
        power += np.bincount(index[heard], added[heard], power.size).reshape(power.shape)


def _in_room(power: np.ndarray, room: float) -> np.ndarray:
    """Add the echoes of `render`'s room, as if no two waves knew of each other."""
    if not room:
        return power
    wet = np.zeros_like(power)
    for delay_s, gain in ROOM:
        steps = max(1, round(delay_s * RATE))
        wet[:, steps:] += gain**2 * power[:, :-steps]
    return (1 - room) ** 2 * power + room**2 * wet


def _through_windows(power: np.ndarray) -> np.ndarray:
    """Smear over time by each register's window; keep every FINE-th frame."""
    seen = np.empty((N, power.shape[1] // FINE))
    for (a, b), window in windows(_P):
        shape = np.hanning(max(1, round(window / _P.hop * FINE)) + 2)[1:-1]
        smeared = convolve1d(power[a:b], shape / shape.sum(), axis=1, mode="constant")
        seen[a:b] = smeared[:, ::FINE]
    return seen


def _drums(drums: np.ndarray, n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Lay what is heard of each hit where it is struck."""
    seen, hits = np.zeros((N, n_frames)), hearing().drums
    for onset, kind, velocity in drums:
        heard = hits[int(kind)]
        struck = heard.shape[1] // 2  # the fine frame of the hit in `heard`
        first = max(0, int(onset * _P.frames_per_second) - 3)
        frames = np.arange(first, min(first + 8, n_frames))
        columns = np.clip(struck + frames * FINE - round(onset * RATE), 0, heard.shape[1] - 1)
        speckle = 1.0 if kind == 0 else rng.exponential(size=(N, 1))
        seen[:, frames] += velocity**2 * heard[:, columns] * speckle
    return seen
