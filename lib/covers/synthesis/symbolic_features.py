"""Log-frequency features of a score straight from its notes, without rendering a waveform.

The power responses of the representation to a steady sine of each semitone, to white noise and to each
drum are measured once a process, by running it on their waveforms. Notes, drums and noise are then
added as power, frame by frame, and the effects of `covers.synthesis.effects` are applied to the power.
This is exact up to interference between partials.

*Conventions.* (84, T) float32, 4 frames/s, as `covers.audio.features` has it; `fold` makes chroma of it.
A fine frame is 1 / `FINE` of a frame.

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
from covers.audio.features import HIGH, LOW, midi_to_hertz, parameters, register_windows
from covers.synthesis.arrange import Score
from covers.synthesis.effects import REVERB_ECHOES, compressor_gain, eq_gain
from covers.synthesis.synthesizer import (
    DRUM_S,
    RELEASE_S,
    Timbre,
    check_score,
    select_timbre,
    synthesize_drum,
)
from covers.synthesis.version_spec import VersionSpec

FINE = 8  # fine frames a frame: the resolution of onsets and offsets
N = HIGH - LOW  # semitones
_P = parameters("log_frequency")
RATE = _P.frames_per_second * FINE  # fine frames a second


@dataclass(frozen=True)
class Responses:
    """Power that the representation gives for signals of unit power or full velocity."""

    sine: np.ndarray  # (84, 84): in semitone i, of a steady unit sine of semitone j
    noise: np.ndarray  # (84,): of white noise of unit variance, mean
    noise_variation: (
        np.ndarray
    )  # (84,): of noise, standard deviation of the magnitude over its mean
    drums: tuple[np.ndarray, ...]  # (84, n) each: of a hit in the middle, by fine frame


@lru_cache(maxsize=1)
def measure_responses() -> Responses:
    """Run the representation on a sine of each semitone, on white noise, and on each drum."""
    rate, rng = _P.sample_rate, np.random.default_rng(0)
    t = np.arange(3 * rate) / rate
    sines = [_magnitudes(np.sin(2 * np.pi * midi_to_hertz(m) * t)) for m in range(LOW, HIGH)]
    noise = _magnitudes(rng.standard_normal(120 * rate))
    drums = []
    for kind in range(len(DRUM_S)):
        hits = []
        for _ in range(1 if kind == 0 else 12):  # a kick is deterministic; the others are noise
            waveform = np.zeros(4 * rate)
            hit = synthesize_drum(kind, rng, rate)
            waveform[2 * rate : 2 * rate + len(hit)] = hit
            hits.append(_magnitudes(waveform, hop=_P.hop // FINE) ** 2)
        drums.append(np.mean(hits, axis=0))
    return Responses(
        np.stack([s[:, 5:-5].mean(axis=1) for s in sines], axis=1) ** 2,
        (noise**2).mean(axis=1),
        noise.std(axis=1) / noise.mean(axis=1),
        tuple(drums),
    )


def compute_log_frequency(score: Score, spec: VersionSpec) -> np.ndarray:
    """Return the log-frequency features of a version, shape (84, T), float32.

    Raises
    ------
    ValueError
        If an instrument is unknown or the score has no length.
    """
    check_score(score)
    rng = np.random.default_rng([spec.seed, 2])
    n_frames = 1 + int(score.duration_s * _P.frames_per_second)
    power = np.zeros((N, n_frames * FINE))
    for part, (instrument, notes) in score.parts.items():
        _add_notes(power, select_timbre(spec, part, instrument), notes, spec.tuning_cents / 100)
    responses = measure_responses()
    observed = responses.sine @ _smear_windows(_reverberate(power, spec.reverb))
    observed += _drum_power(score.drums, n_frames, rng) * ((1 - spec.reverb) ** 2 + spec.reverb**2)
    if spec.compression > 0:
        observed *= compressor_gain(observed.sum(axis=0), spec.compression) ** 2
    observed /= (
        1 + (midi_to_hertz(np.arange(LOW, HIGH)) / spec.lowpass_hz)[:, None] ** 8
    )  # Butterworth, order 4
    equalizer = eq_gain(spec, np.arange(LOW, HIGH)) ** 2
    observed *= equalizer[:, None]
    variance = equalizer @ power.mean(axis=1) / 2 * 10 ** (spec.noise_db / 10)
    speckle = (
        np.maximum(1 + responses.noise_variation[:, None] * rng.standard_normal(observed.shape), 0)
        ** 2
    )
    return features.compress(np.sqrt(observed + variance * responses.noise[:, None] * speckle))


def _magnitudes(waveform: np.ndarray, hop: int = _P.hop) -> np.ndarray:
    return features.magnitudes([waveform.astype(np.float32)], replace(_P, hop=hop))


def _add_notes(power: np.ndarray, timbre: Timbre, notes: np.ndarray, tuning: float) -> None:
    """Add the power of every harmonic of every note, in place; ``power`` is (84, fine frames)."""
    if not len(notes):
        return
    strengths, attack, decay, _ = timbre
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
    n_harmonics = np.minimum(8, 0.45 * _P.sample_rate // midi_to_hertz(pitch))
    for number, strength in enumerate(strengths, 1):
        bins = np.round(pitch - tuning + 12 * np.log2(number)).astype(int) - LOW
        bins = np.where((bins >= 0) & (bins < N) & (number <= n_harmonics), bins, -1)[note]
        index = bins * power.shape[1] + at
        added = level * strength**2 / np.sum(np.square(strengths))
        inside = bins >= 0
        power += np.bincount(index[inside], added[inside], power.size).reshape(power.shape)


def _reverberate(power: np.ndarray, reverb: float) -> np.ndarray:
    """Add the echoes of the reverb as power, as if they were uncorrelated with the direct signal."""
    if not reverb:
        return power
    wet = np.zeros_like(power)
    for delay_s, gain in REVERB_ECHOES:
        steps = max(1, round(delay_s * RATE))
        wet[:, steps:] += gain**2 * power[:, :-steps]
    return (1 - reverb) ** 2 * power + reverb**2 * wet


def _smear_windows(power: np.ndarray) -> np.ndarray:
    """Convolve with each register's window over time; return every FINE-th frame, (84, T)."""
    observed = np.empty((N, power.shape[1] // FINE))
    for (a, b), window in register_windows(_P):
        shape = np.hanning(max(1, round(window / _P.hop * FINE)) + 2)[1:-1]
        smeared = convolve1d(power[a:b], shape / shape.sum(), axis=1, mode="constant")
        observed[a:b] = smeared[:, ::FINE]
    return observed


def _drum_power(drums: np.ndarray, n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return the power of all hits, (84, n_frames)."""
    power, responses = np.zeros((N, n_frames)), measure_responses().drums
    for onset, kind, velocity in drums:
        response = responses[int(kind)]
        hit = response.shape[1] // 2  # fine frame of the hit in the response
        first = max(0, int(onset * _P.frames_per_second) - 3)
        frames = np.arange(first, min(first + 8, n_frames))
        columns = np.clip(hit + frames * FINE - round(onset * RATE), 0, response.shape[1] - 1)
        speckle = 1.0 if kind == 0 else rng.exponential(size=(N, 1))
        power[:, frames] += velocity**2 * response[:, columns] * speckle
    return power
