"""Waveforms to tensors: log-mel for the write-ups' networks, log-frequency and chroma for covers.

*Conventions.* Tensors are float32, (n_bins, T), time last. ``log_mel`` (128, T): dB below the maximum,
-80 to 0. ``log_frequency`` (84, T): semitones MIDI 24-107 at 4 frames/s, tuned, spectrally whitened,
frames of unit L2 norm. ``chroma`` (36, T): the same folded to three registers, bass (24-47), middle
(48-71) and treble (72-107), of twelve pitch classes each. Transposition rolls each register.

References
----------
Brown. "Calculation of a constant Q spectral transform." JASA 1991. Müller. "Fundamentals of Music
Processing", ch. 3 (chroma, tuning, logarithmic compression).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
import torchaudio
from scipy.ndimage import gaussian_filter1d

LOW, HIGH, SUB = 24, 108, 5  # MIDI range, the last excluded; bins a semitone before tuning
REGISTERS = ((0, 24), (24, 48), (48, 84))  # of the 84 semitones: bass, middle, treble
NAMES = ("log_mel", "log_frequency", "chroma")
FLOOR_DB = -80.0  # of log_mel: silence


@dataclass(frozen=True)
class Parameters:
    """All that determines a tensor, with the file; their hash is `extract.parameters_id`."""

    representation: str
    sample_rate: int  # [Hz]
    hop: int  # samples
    n_fft: int  # samples
    n_bins: int
    start_s: float = 0.0
    duration_s: float | None = None  # None: to the end
    segment_s: None = None  # nothing is cut; kept because the ids of stored tensors hash it
    levels: int = 256  # of quantization
    revision: int = 2  # of the code: raised when equal parameters give another tensor

    @property
    def frames_per_second(self) -> float:
        """Frames per second of the last axis."""
        return self.sample_rate / self.hop

    def to_dict(self) -> dict:
        """Return plain data, ready for JSON."""
        return asdict(self)


def parameters(
    representation: str, *, start_s: float = 0.0, duration_s: float | None = None
) -> Parameters:
    """Return the default parameters of a representation, for a section of the file or all of it.

    Raises
    ------
    ValueError
        If the representation is unknown or a length is not positive.
    """
    if representation not in NAMES:
        raise ValueError(f"representation must be one of {NAMES}, got {representation!r}")
    if duration_s is not None and duration_s <= 0:
        raise ValueError(f"duration_s must be positive [s], got {duration_s}")
    if representation == "log_mel":
        base = Parameters("log_mel", 22_050, 512, 2048, 128, levels=32)
    else:
        base = Parameters(
            representation, 16_000, 4_000, 16_384, 84 if representation == "log_frequency" else 36
        )
    return replace(base, start_s=start_s, duration_s=duration_s)


def compute(blocks: Iterable[np.ndarray], p: Parameters) -> np.ndarray:
    """Return the tensor of a recording, shape (n_bins, T), float32.

    Parameters
    ----------
    blocks : Iterable[np.ndarray], each (n,), float32
        The mono waveform at ``p.sample_rate``, in blocks of any length.
    p : Parameters
    """
    if p.representation == "log_mel":
        return _log_mel(blocks, p)
    semitones = compress(magnitudes(blocks, p))
    return fold(semitones) if p.representation == "chroma" else semitones


def midi_to_hertz(midi: npt.ArrayLike) -> np.ndarray:
    """Return the frequency of MIDI pitches [Hz].

    Examples
    --------
    >>> float(midi_to_hertz(81))
    880.0
    """
    return 440 * 2 ** ((np.asarray(midi) - 69) / 12)


def register_windows(p: Parameters) -> list[tuple[tuple[int, int], int]]:
    """Return each register of `REGISTERS` with the length of its window [samples], long for low pitches."""
    return list(zip(REGISTERS, (p.n_fft, p.n_fft // 2, p.n_fft // 4), strict=True))


def fold(semitones: np.ndarray) -> np.ndarray:
    """Fold (84, T) semitones to (36, T): three registers of twelve pitch classes, frames of unit norm."""
    folded = [semitones[a:b].reshape(-1, 12, semitones.shape[1]).sum(axis=0) for a, b in REGISTERS]
    return _unit_frames(np.concatenate(folded))


def roll_key(chroma: np.ndarray, semitones: int) -> np.ndarray:
    """Transpose a chroma (36, T) by semitones; pitch classes wrap within each register."""
    return np.roll(chroma.reshape(3, 12, -1), semitones, axis=1).reshape(chroma.shape)


def _frames(blocks: Iterable[np.ndarray], p: Parameters) -> Iterable[torch.Tensor]:
    """Yield pieces of the waveform that contain whole frames, centred, as overlapping as frames are."""
    buffer = np.zeros(p.n_fft // 2, dtype=np.float32)
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        n = (len(buffer) - p.n_fft) // p.hop + 1
        if n > 0:
            yield torch.from_numpy(buffer[: p.n_fft + (n - 1) * p.hop])
            buffer = buffer[n * p.hop :]
    buffer = np.concatenate([buffer, np.zeros(p.n_fft // 2, dtype=np.float32)])
    n = (len(buffer) - p.n_fft) // p.hop + 1
    if n > 0:
        yield torch.from_numpy(buffer[: p.n_fft + (n - 1) * p.hop])


@lru_cache(maxsize=4)
def _mel(p: Parameters) -> torchaudio.transforms.MelSpectrogram:
    return torchaudio.transforms.MelSpectrogram(
        p.sample_rate, n_fft=p.n_fft, hop_length=p.hop, n_mels=p.n_bins, center=False, power=2.0,
        norm="slaney", mel_scale="slaney",
    )  # fmt: skip


def _log_mel(blocks: Iterable[np.ndarray], p: Parameters) -> np.ndarray:
    x = torch.cat([_mel(p)(waveform) for waveform in _frames(blocks, p)], dim=1)
    x.clamp_(min=1e-10).log10_().mul_(10)  # in place: the tensor of hours of audio is large
    return x.sub_(x.max()).clamp_(min=FLOOR_DB).numpy()


@dataclass(frozen=True)
class _Register:
    """One register: its window, and the weights of its bins over a band of the spectrum."""

    window: torch.Tensor  # (win_length,)
    band: slice  # of the spectrum's win_length // 2 + 1 frequencies
    weights: torch.Tensor  # (semitones * 5, frequencies of the band)


@lru_cache(maxsize=4)
def _bank(p: Parameters) -> tuple[_Register, ...]:
    """Return the three registers, with Gaussian weights of bins of a fifth of a semitone."""
    bank = []
    for (a, b), window in register_windows(p):
        frequencies = np.fft.rfftfreq(window, 1 / p.sample_rate)
        pitch = 69 + 12 * np.log2(np.maximum(frequencies, 1.0) / 440)
        centres = LOW + a + (np.arange((b - a) * SUB) - SUB // 2) / SUB
        hertz = midi_to_hertz(centres)
        width = np.maximum(0.12, 12 / np.log(2) * 0.6 * p.sample_rate / window / hertz)
        weights = np.exp(-0.5 * ((pitch[None] - centres[:, None]) / width[:, None]) ** 2)
        weights[:, frequencies < 20] = 0
        weights /= weights.sum(axis=1, keepdims=True) + 1e-9
        used = np.flatnonzero(weights.max(axis=0) > 1e-7)  # the rest vanishes in float32
        band = slice(int(used[0]), int(used[-1]) + 1)
        band_weights = torch.from_numpy(weights[:, band].astype(np.float32))
        bank.append(_Register(torch.hann_window(window), band, band_weights))
    return tuple(bank)


def _spectra(blocks: Iterable[np.ndarray], p: Parameters) -> Iterable[np.ndarray]:
    """Yield (84 * 5, n) magnitudes, five bins a semitone."""
    for waveform in _frames(blocks, p):
        yield np.concatenate([_magnitudes(waveform, register, p) for register in _bank(p)])


def _magnitudes(waveform: torch.Tensor, register: _Register, p: Parameters) -> np.ndarray:
    n = len(register.window)
    inner = (p.n_fft - n) // 2  # so that frames of shorter windows have the same centres
    spectrum = torchaudio.functional.spectrogram(
        waveform[inner : len(waveform) - inner], pad=0, window=register.window, n_fft=n, hop_length=p.hop,
        win_length=n, power=None, normalized=False, center=False,
    )  # fmt: skip
    return (register.weights @ spectrum[register.band].abs()).numpy()


def estimate_tuning(spectrum: np.ndarray) -> float:
    """Return the deviation of the tuning from A = 440 Hz [semitones], -0.5 to 0.5.

    ``spectrum`` is (84 * 5, T): the circular mean of the energy over the five bins of a semitone.
    """
    energy = (spectrum**2).sum(axis=1).reshape(-1, SUB).sum(axis=0)
    angle = np.angle(np.sum(energy * np.exp(2j * np.pi * (np.arange(SUB) - SUB // 2) / SUB)))
    return float(angle / (2 * np.pi))


def magnitudes(blocks: Iterable[np.ndarray], p: Parameters) -> np.ndarray:
    """Return the strongest magnitude within each semitone, (84, T), after correcting the tuning."""
    spectrum = np.concatenate(list(_spectra(blocks, p)), axis=1)
    tuned = np.roll(spectrum, -round(estimate_tuning(spectrum) * SUB), axis=0)
    return tuned.reshape(HIGH - LOW, SUB, -1).max(axis=1)


def compress(magnitude: np.ndarray) -> np.ndarray:
    """Return the logarithm of `magnitudes`, whitened over pitch, (84, T), in frames of unit norm."""
    level = np.log1p(8 * magnitude / (magnitude.mean() + 1e-9))
    white = np.maximum(level - gaussian_filter1d(level, 5.0, axis=0), 0)
    return _unit_frames(white)


def _unit_frames(x: np.ndarray) -> np.ndarray:
    return (x / np.maximum(np.linalg.norm(x, axis=0, keepdims=True), 1e-6)).astype(np.float32)
