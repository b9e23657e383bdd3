"""Audio files to blocks of mono sound, and from those to tensors; nothing is held whole.

*Conventions.* Blocks are float32, mono, in [-1, 1], at the rate asked for. Any libsndfile format
(WAV, FLAC, OGG, MP3) is read; the mean of the channels is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile as sf
import soxr

from lib.audio.sandbox import Refused

BLOCK_S = 20.0
MAX_S = 12 * 3600.0
MAX_CHANNELS = 64


@dataclass(frozen=True)
class Info:
    """What a file says of itself."""

    codec: str
    sample_rate: int
    channels: int
    duration_s: float


def probe(path: str) -> Info:
    """Read the header of one file, and one block of its sound.

    Raises
    ------
    Refused
        With reason ``missing``, ``empty_file``, ``not_audio``, ``too_long``, ``too_many_channels``
        or ``no_sound`` (no frame can be decoded).
    """
    try:
        with sf.SoundFile(path) as file:
            duration = file.frames / file.samplerate if file.samplerate else 0.0
            info = Info(f"{file.format}/{file.subtype}", file.samplerate, file.channels, duration)
            if info.channels > MAX_CHANNELS:
                raise Refused("too_many_channels", f"at most {MAX_CHANNELS}, got {info.channels}")
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

    Raises
    ------
    Refused
        With reason ``not_audio`` or ``no_sound``.
    """
    limit = MAX_S if duration_s is None else duration_s
    n_seen = 0
    try:
        with sf.SoundFile(path) as file:
            rate = file.samplerate
            stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
            file.seek(min(int(start_s * rate), file.frames))
            left = int(limit * rate)
            while left > 0:
                sound = file.read(min(int(BLOCK_S * rate), left), dtype="float32", always_2d=True)
                left -= len(sound)
                last = len(sound) == 0 or left <= 0
                mono = np.nan_to_num(sound.mean(axis=1)) if len(sound) else np.zeros(0, np.float32)
                block = mono if rate == sample_rate else stream.resample_chunk(mono, last=last)
                n_seen += len(block)
                if len(block):
                    yield block
                if last:
                    break
    except sf.LibsndfileError as error:
        if not n_seen:
            raise Refused("not_audio", str(error).split(": ")[-1]) from error
    if not n_seen:
        raise Refused("no_sound", "no frame could be decoded")
