"""The catalogue's six attributes, estimated from audio, for recordings without a catalogue row.

*Conventions.* Key and mode are measured (Albrecht's and Shanahan's profiles, correlated with tuned chroma
as Krumhansl and Schmuckler do), and so is tempo (autocorrelation of the onset strength, weighted towards
120 BPM). Energy, danceability and valence are proxies in 0-1: loudness and brightness; strength of the
pulse; mode, tempo and brightness together. They rank recordings; they are not Spotify's values.

References
----------
Krumhansl. "Cognitive Foundations of Musical Pitch." 1990. Albrecht, Shanahan. "The use of large corpora to
train a new type of key-finding algorithm." Music Perception 2013. Ellis. "Beat tracking by dynamic
programming." 2007 (tempo weighting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MAJOR = np.array(
    [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081]
)
_MINOR = np.array(
    [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052]
)
_METRICAL_RATIOS = (1 / 3, 1 / 2, 2, 3)  # of the lag of a beat to lags it is mistaken for


@dataclass(frozen=True)
class Attributes:
    """The six attributes, in the catalogue's ranges."""

    danceability: float
    energy: float
    key: int
    mode: int
    valence: float
    tempo: float
    tempo_confidence: float  # 0-1, as `estimate_tempo` returns it


def estimate_key(chroma: np.ndarray) -> tuple[int, int]:
    """Return (key 0-11, mode 1 major or 0 minor) of a pitch-class profile, shape (12,).

    Examples
    --------
    >>> estimate_key(np.roll(_MAJOR, 7))
    (7, 1)
    """
    profiles = [(t, m, np.roll(p, t)) for t in range(12) for m, p in ((1, _MAJOR), (0, _MINOR))]
    centred = chroma - chroma.mean()
    fits = [float(centred @ (p - p.mean())) / (np.std(p) or 1.0) for _, _, p in profiles]
    key, mode, _ = profiles[int(np.argmax(fits))]
    return key, mode


def estimate_tempo(onset: np.ndarray, frames_per_second: float) -> tuple[float, float, float]:
    """Estimate the tempo of an onset strength curve, shape (T,).

    Returns
    -------
    tempo : float
        40 to 240 BPM; 0 if the curve is constant or shorter than four seconds.
    pulse : float
        Autocorrelation at the beat, 0-1.
    confidence : float
        How far the metrical level is certain, 0-1: the weighted correlation of the tempo as a share of
        the sum of it and of the best of a half, double, third and triple of it. At 0.5 both are as likely.
    """
    # Without smoothing, pulses that fall between frames correlate only at multiples of their beat.
    smooth = np.convolve(onset, np.hanning(7), mode="same")
    centred = smooth - smooth.mean()
    if len(centred) < 4 * frames_per_second or not centred.any():
        return 0.0, 0.0, 0.0
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(centred)]
    correlation /= correlation[0]
    lags = np.arange(int(frames_per_second * 60 / 240), int(frames_per_second * 60 / 40))
    bpm = 60 * frames_per_second / lags
    weight = np.exp(-0.5 * (np.log2(bpm / 120) / 0.9) ** 2)
    score = np.maximum(correlation[lags] * weight, 0)
    best = int(np.argmax(score))
    multiples = [
        np.abs(lags - lags[best] * r) <= max(1, 0.04 * lags[best] * r) for r in _METRICAL_RATIOS
    ]
    second = max((float(score[m].max()) for m in multiples if m.any()), default=0.0)
    confidence = float(score[best] / ((score[best] + second) or 1.0))
    lag = float(lags[best])
    if 0 < best < len(lags) - 1:  # parabolic interpolation of the peak
        a, b, c = correlation[lags[best] - 1 : lags[best] + 2]
        lag += 0.5 * (a - c) / (a - 2 * b + c) if (a - 2 * b + c) else 0.0
    return 60 * frames_per_second / lag, float(np.clip(correlation[lags[best]], 0, 1)), confidence


def estimate_attributes(
    decibels: np.ndarray, frames_per_second: float, chroma: np.ndarray
) -> Attributes:
    """Estimate the attributes of one recording.

    Parameters
    ----------
    decibels : np.ndarray, shape (128, T)
        log_mel, dB below the maximum.
    frames_per_second : float
        Of ``decibels``.
    chroma : np.ndarray, shape (36, T')
        Three registers of twelve pitch classes, as `covers.audio.features` has it.
    """
    key, mode = estimate_key(chroma.reshape(3, 12, -1).sum(axis=(0, 2)))
    flux = np.maximum(np.diff(decibels, axis=1), 0).mean(axis=0)
    tempo, pulse, confidence = estimate_tempo(flux, frames_per_second)
    loudness = float(np.clip((decibels.mean() + 70) / 50, 0, 1))
    brightness = float(np.clip((decibels[64:].mean() - decibels[:64].mean() + 40) / 40, 0, 1))
    return Attributes(
        danceability=float(np.clip(0.2 + 0.8 * pulse, 0, 1)),
        energy=float(np.clip(0.6 * loudness + 0.4 * min(flux.mean() / 4, 1), 0, 1)),
        key=key,
        mode=mode,
        valence=float(np.clip(0.3 * mode + 0.3 * min(tempo / 180, 1) + 0.4 * brightness, 0, 1)),
        tempo=tempo,
        tempo_confidence=confidence,
    )
