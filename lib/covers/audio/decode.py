"""Audio files to blocks of a mono waveform, so that no file is in memory as a whole.

*Conventions.* Blocks are (n,) float32, in [-1, 1], the mean of the channels, at the sample rate that is
asked for. libsndfile reads WAV, FLAC, OGG, Opus and MP3; FFmpeg reads what libsndfile does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile as sf
import soxr

from covers.audio.ffmpeg import FfmpegFile, needs_ffmpeg
from covers.audio.sandbox import Rejected

BLOCK_S = 20.0
MAX_S = 12 * 3600.0
MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1_000, 768_000  # Hz


@dataclass(frozen=True)
class AudioInfo:
    """The header of an audio file."""

    codec: str
    sample_rate: int
    channels: int
    duration_s: float


def open_audio(path: str) -> sf.SoundFile | FfmpegFile:
    """Open a file by its content, whatever its suffix.

    Raises
    ------
    Rejected
        With reason ``not_audio`` or ``needs_ffmpeg``.
    """
    try:
        return sf.SoundFile(path)
    except sf.LibsndfileError as error:
        if needs_ffmpeg(path):
            return FfmpegFile(path)
        raise Rejected("not_audio", str(error).split(": ")[-1]) from error


def probe(path: str) -> AudioInfo:
    """Read the header of one file, and decode its first frames.

    Raises
    ------
    Rejected
        With reason ``not_audio``, ``needs_ffmpeg``, ``bad_sample_rate``, ``too_many_channels``,
        ``too_long`` or ``no_sound`` (no frame can be decoded).
    """
    try:
        with open_audio(path) as file:
            if not MIN_RATE <= file.samplerate <= MAX_RATE:
                raise Rejected(
                    "bad_sample_rate", f"{MIN_RATE} to {MAX_RATE} Hz, got {file.samplerate}"
                )
            if not 0 < file.channels <= MAX_CHANNELS:
                raise Rejected("too_many_channels", f"at most {MAX_CHANNELS}, got {file.channels}")
            duration = file.frames / file.samplerate
            info = AudioInfo(
                f"{file.format}/{file.subtype}", file.samplerate, file.channels, duration
            )
            n_frames = len(file.read(4096))
    except sf.LibsndfileError as error:
        raise Rejected("not_audio", str(error).split(": ")[-1]) from error
    if not n_frames or duration <= 0:
        raise Rejected("no_sound", f"no frame could be decoded ({info.codec})")
    if duration > MAX_S:
        raise Rejected("too_long", f"at most {MAX_S:g} s, got {duration:.0f} s")
    return info


def blocks(
    path: str, sample_rate: int, *, start_s: float = 0.0, duration_s: float | None = None
) -> Iterator[np.ndarray]:
    """Yield the waveform in blocks of about 20 s, resampled.

    A file that is truncated or broken is decoded up to there.

    Parameters
    ----------
    path : str
        Local.
    sample_rate : int
        Of the blocks [Hz].
    start_s, duration_s : float
        Section of the file [s]; by default all of it.

    Yields
    ------
    np.ndarray, shape (n,), float32

    Raises
    ------
    Rejected
        With reason ``not_audio``, ``needs_ffmpeg`` or ``no_sound``.
    """
    n_samples = 0
    try:
        with open_audio(path) as file:
            for block in _resample(
                _read_mono(file, start_s, duration_s), file.samplerate, sample_rate
            ):
                n_samples += len(block)
                yield block
    except sf.LibsndfileError as error:
        if not n_samples:
            raise Rejected("not_audio", str(error).split(": ")[-1]) from error
    if not n_samples:
        raise Rejected("no_sound", "no frame could be decoded")


def _read_mono(
    file: sf.SoundFile | FfmpegFile, start_s: float, duration_s: float | None
) -> Iterator[np.ndarray]:
    """Yield the mean of the channels, at the file's own rate."""
    rate = file.samplerate
    left = int((MAX_S if duration_s is None else duration_s) * rate)
    if start_s:
        file.seek(min(int(start_s * rate), file.frames))
    while left > 0:
        frames = file.read(min(int(BLOCK_S * rate), left), dtype="float32", always_2d=True)
        if not len(frames):
            return
        left -= len(frames)
        yield np.nan_to_num(frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1))


def _resample(waveform: Iterator[np.ndarray], rate: int, target: int) -> Iterator[np.ndarray]:
    if rate == target:
        yield from waveform
        return
    stream = soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")
    for block in waveform:
        yield from _skip_empty(stream.resample_chunk(block))
    yield from _skip_empty(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def _skip_empty(block: np.ndarray) -> Iterator[np.ndarray]:
    if len(block):
        yield block
