"""Files that libsndfile does not read (AAC in MP4 or raw, WMA, WebM), by FFmpeg if it is installed.

*Conventions.* `FfmpegFile` has those members of `soundfile.SoundFile` that `covers.audio.decode` uses.
torchcodec brings no FFmpeg of its own: it finds the system's.

References
----------
https://docs.pytorch.org/torchcodec (AudioDecoder).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from covers.audio.sandbox import Rejected

_SIGNATURES = (  # offset, bytes
    (4, b"ftyp"),  # MP4, M4A, MOV
    (0, b"\xff\xf1"), (0, b"\xff\xf9"),  # AAC in ADTS frames
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (0, b"\x30\x26\xb2\x75"),  # ASF, WMA
)  # fmt: skip


def needs_ffmpeg(path: str) -> bool:
    """Return whether a file, by its first bytes, has a format that only FFmpeg reads."""
    with open(path, "rb") as file:
        head = file.read(16)
    return any(head[at : at + len(sign)] == sign for at, sign in _SIGNATURES)


class FfmpegFile:
    """The audio stream of one file, read forward from any frame.

    Raises
    ------
    Rejected
        With reason ``needs_ffmpeg`` if it is not installed, or ``not_audio``.
    """

    def __init__(self, path: str) -> None:
        try:
            from torchcodec.decoders import AudioDecoder  # seconds to import: only where needed
        except (ImportError, OSError, RuntimeError) as error:
            raise Rejected(
                "needs_ffmpeg",
                "this format is decoded by FFmpeg, which is not installed; install ffmpeg "
                "(Debian: apt install ffmpeg) on every machine that decodes",
            ) from error
        try:
            self._decoder = AudioDecoder(path)
        except (RuntimeError, ValueError) as error:
            raise Rejected("not_audio", str(error).splitlines()[0][-200:]) from error
        metadata: Any = self._decoder.metadata
        self.format, self.subtype = "FFMPEG", str(metadata.codec).upper()
        self.samplerate, self.channels = (
            int(metadata.sample_rate or 0),
            int(metadata.num_channels or 0),
        )
        seconds = metadata.duration_seconds or metadata.duration_seconds_from_header or 0.0
        self.frames = int(seconds * self.samplerate)
        self._at = 0

    def __enter__(self) -> FfmpegFile:
        return self

    def __exit__(self, *_: object) -> None:
        del self._decoder

    def seek(self, frame: int) -> None:
        """Move to a frame."""
        self._at = frame

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """Return the next frames, shape (n, channels); none at the end."""
        if self._at >= self.frames or frames <= 0:
            return np.zeros((0, self.channels), dtype)
        end = min(self._at + frames, self.frames)
        try:
            samples = self._decoder.get_samples_played_in_range(
                self._at / self.samplerate, end / self.samplerate
            )
        except RuntimeError as error:
            raise Rejected("not_audio", str(error).splitlines()[0][-200:]) from error
        self._at = end
        return samples.data.numpy().T.astype(dtype, copy=False)
