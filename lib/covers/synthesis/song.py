"""Songs as symbols: melody, chords, accompaniment, phrases.

*Conventions.* Time is in beats. ``melody`` is (n, 3) float64: onset, duration, MIDI pitch.
``chords`` are those of `covers.synthesis.chords`. ``accompaniment`` holds all other notes of the
score, (n, 4): as the melody, and velocity 0-1; empty if only chords are known. ``phrases`` are
(start, end) of the sections that a version may repeat, drop or reorder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from covers.synthesis.chords import MAJOR, MINOR, Chord


@dataclass(frozen=True)
class Song:
    """One song as notes and chords.

    Raises
    ------
    ValueError
        If the melody has no notes, or the phrases no length.
    """

    song_id: str
    title: str
    tonic: int  # pitch class, 0-11
    mode: int  # 1 major, 0 minor
    tempo: float  # beats a minute
    melody: np.ndarray
    chords: tuple[Chord, ...]
    phrases: tuple[tuple[float, float], ...]
    accompaniment: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    chords_from: str = "written"  # or "estimated", if the file has none

    def __post_init__(self) -> None:
        """Reject a song without notes or without length."""
        if self.melody.ndim != 2 or not len(self.melody):
            raise ValueError(f"melody of {self.song_id} must have notes, got {self.melody.shape}")
        if not self.phrases or self.phrases[-1][1] <= 0:
            raise ValueError(f"phrases of {self.song_id} must have length, got {self.phrases}")


def estimate_tonic(melody: np.ndarray) -> tuple[int, int]:
    """Return the key of a melody (n, 3): tonic 0-11, and mode, 1 major or 0 minor.

    It is the scale that contains most of the melody by duration; the tonic's share counts half again.
    """
    weight = np.bincount(melody[:, 2].astype(int) % 12, weights=melody[:, 1], minlength=12)
    fits = [
        (sum(weight[(t + s) % 12] for s in scale) + 0.5 * weight[t], t, m)
        for t in range(12)
        for m, scale in ((1, MAJOR), (0, MINOR))
    ]
    _, tonic, mode = max(fits, key=lambda f: (f[0], f[2]))
    return tonic, mode


def split_phrases(melody: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Return the extent of a melody (n, 3) as phrases of four bars of four beats, (start, end)."""
    first, end = melody[:, 0].min(), (melody[:, 0] + melody[:, 1]).max()
    return tuple(
        (float(a), float(a) + 16.0) for a in np.arange(first // 16 * 16, np.ceil(end / 16) * 16, 16)
    )
