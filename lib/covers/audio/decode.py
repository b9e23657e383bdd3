"""Audio files to blocks of mono sound, and from those to tensors; nothing is held whole.

*Conventions.* Blocks are float32, mono, in [-1, 1], at the rate asked for; the mean of the channels
is taken. libsndfile reads WAV, FLAC, OGG, Opus and MP3; what it does not know is for FFmpeg.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile as sf
import soxr

from covers.audio.ffmpeg import FfmpegSound, is_for_ffmpeg
from covers.audio.sandbox import Refused

BLOCK_S = 20.0
MAX_S = 12 * 3600.0
MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1_000, 768_000  # Hz


@dataclass(frozen=True)
class Info:
    """What a file says of itself."""

    codec: str
    sample_rate: int
    channels: int
    duration_s: float


def opened(path: str) -> sf.SoundFile | FfmpegSound:
    """Open a file by what it holds, whatever its name ends with.

    Raises
    ------
    Refused
        With reason ``not_audio`` or ``needs_ffmpeg``.
    """
    try:
        return sf.SoundFile(path)
    except sf.LibsndfileError as error:
        if is_for_ffmpeg(path):
            return FfmpegSound(path)
        raise Refused("not_audio", str(error).split(": ")[-1]) from error


def probe(path: str) -> Info:
    """Read the header of one file, and one block of its sound.

    Raises
    ------
    Refused
        With reason ``not_audio``, ``needs_ffmpeg``, ``bad_sample_rate``, ``too_many_channels``,
        ``too_long`` or ``no_sound`` (no frame can be decoded).
    """
    try:
        with opened(path) as file:
            if not MIN_RATE <= file.samplerate <= MAX_RATE:
                raise Refused(
                    "bad_sample_rate", f"{MIN_RATE} to {MAX_RATE} Hz, got {file.samplerate}"
                )
            if not 0 < file.channels <= MAX_CHANNELS:
                raise Refused("too_many_channels", f"at most {MAX_CHANNELS}, got {file.channels}")
            duration = file.frames / file.samplerate
            info = Info(f"{file.format}/{file.subtype}", file.samplerate, file.channels, duration)
            n_frames = len(file.read(4096))
    except sf.LibsndfileError as error:
        raise Refused("not_audio", str(error).split(": ")[-1]) from error
    if not n_frames or duration <= 0:
        raise Refused("no_sound", f"no frame could be decoded ({info.codec})")
    if duration > MAX_S:
        raise Refused("too_long", f"at most {MAX_S:g} s, got {duration:.0f} s")
    return info


def blocks(
    path: str, sample_rate: int, *, start_s: float = 0.0, duration_s: float | None = None
) -> Iterator[np.ndarray]:
    """Yield the sound from ``start_s`` on, resampled, a block of about 20 s at a time.

    A file that breaks off is decoded up to there.

    Raises
    ------
    Refused
        With reason ``not_audio``, ``needs_ffmpeg`` or ``no_sound``.
    """
    n_seen = 0
    try:
        with opened(path) as file:
            for block in _resampled(_mono(file, start_s, duration_s), file.samplerate, sample_rate):
                n_seen += len(block)
                yield block
    except sf.LibsndfileError as error:
        if not n_seen:
            raise Refused("not_audio", str(error).split(": ")[-1]) from error
    if not n_seen:
        raise Refused("no_sound", "no frame could be decoded")


def _mono(
    file: sf.SoundFile | FfmpegSound, start_s: float, duration_s: float | None
) -> Iterator[np.ndarray]:
    """Yield the mean of the channels, at the file's own rate."""
    rate = file.samplerate
    left = int((MAX_S if duration_s is None else duration_s) * rate)
    if start_s:
        file.seek(min(int(start_s * rate), file.frames))
    while left > 0:
        sound = file.read(min(int(BLOCK_S * rate), left), dtype="float32", always_2d=True)
        if not len(sound):
            return
        left -= len(sound)
        yield np.nan_to_num(sound[:, 0] if sound.shape[1] == 1 else sound.mean(axis=1))


def _resampled(sound: Iterator[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    if rate == wanted:
        yield from sound
        return
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    for block in sound:
        yield from _some(stream.resample_chunk(block))
    yield from _some(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def _some(block: np.ndarray) -> Iterator[np.ndarray]:
    if len(block):
        yield block
