"""Effects on the mix of a version: reverb, compression, lowpass, equalizer, noise, level.

*Conventions.* A waveform is (n,), float32, mono; its peak is 0.9 at the end.
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfilt

from covers.synthesis.version_spec import EQ_PITCHES, VersionSpec

REVERB_ECHOES = (
    (0.031, 0.8),
    (0.053, 0.65),
    (0.083, 0.5),
    (0.127, 0.4),
    (0.191, 0.3),
)  # delay [s], gain


def apply_effects(
    mix: np.ndarray, spec: VersionSpec, rng: np.random.Generator, sample_rate: int
) -> np.ndarray:
    """Return a mix after reverb, compression, lowpass, equalizer and noise, its peak at 0.9."""
    if spec.reverb > 0:
        wet = np.zeros_like(mix)
        for delay_s, gain in REVERB_ECHOES:
            d = int(delay_s * sample_rate)
            wet[d:] += gain * mix[:-d]
        mix = (1 - spec.reverb) * mix + spec.reverb * wet
    if spec.compression > 0:
        power = uniform_filter1d(mix**2, sample_rate // 4)
        mix = mix * compressor_gain(power, spec.compression).astype(np.float32)
    if spec.lowpass_hz < 0.45 * sample_rate:
        mix = sosfilt(butter(4, spec.lowpass_hz, fs=sample_rate, output="sos"), mix)
    if spec.eq_db:
        mix = _equalize(mix, spec, sample_rate)
    level = np.sqrt(np.mean(mix**2)) or 1.0
    mix = mix + level * 10 ** (spec.noise_db / 20) * rng.standard_normal(len(mix))
    return (0.9 * mix / (np.abs(mix).max() or 1.0)).astype(np.float32)


def compressor_gain(power: np.ndarray, share: float) -> np.ndarray:
    """Return the gain, a factor of amplitudes, that removes ``share`` of the level changes in dB.

    Parameters
    ----------
    power : np.ndarray, shape (n,)
        Over time. More than 40 dB below its mean, it is raised no further.
    share : float
        0 to 1.
    """
    mean = power.mean() or 1.0
    return np.maximum(power / mean, 1e-4) ** (-share / 2)


def eq_gain(spec: VersionSpec, midi: np.ndarray) -> np.ndarray:
    """Return the gain of the spec's equalizer at MIDI pitches, as a factor of magnitudes."""
    return 10 ** (np.interp(midi, EQ_PITCHES, spec.eq_db or np.zeros(len(EQ_PITCHES))) / 20)


def _equalize(mix: np.ndarray, spec: VersionSpec, sample_rate: int) -> np.ndarray:
    n = fft.next_fast_len(len(mix) + sample_rate // 4, real=True)
    frequencies = np.maximum(fft.rfftfreq(n, 1 / sample_rate), 1.0)
    gain = eq_gain(spec, 69 + 12 * np.log2(frequencies / 440))
    return fft.irfft(fft.rfft(mix, n) * gain, n)[: len(mix)]
