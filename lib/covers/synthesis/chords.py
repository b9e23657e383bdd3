"""Chords: their qualities, Harte's syntax, and their estimation from notes.

*Conventions.* A chord is (onset [beats], duration [beats], root pitch class 0-11, quality), with a
quality of `QUALITIES`: semitones above the root.

References
----------
Harte, Sandler, Abdallah, Gómez. "Symbolic representation of musical chords." ISMIR 2005 (syntax).
Fujishima. "Realtime chord recognition of musical sound." ICMC 1999 (templates).
"""

from __future__ import annotations

import numpy as np

Chord = tuple[float, float, int, str]

QUALITIES = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
}  # fmt: skip
PITCH_CLASSES = {
    "C": 0, "C#": 1, "Db": 1, "D": 2, "D#": 3, "Eb": 3, "E": 4, "Fb": 4, "F": 5, "F#": 6, "Gb": 6,
    "G": 7, "G#": 8, "Ab": 8, "A": 9, "A#": 10, "Bb": 10, "B": 11, "Cb": 11,
}  # fmt: skip
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_SIMPLIFIED = {
    "min6": "min", "maj6": "maj", "hdim7": "dim", "dim7": "dim", "9": "7", "minmaj7": "min",
}  # fmt: skip


def triad_quality(scale: tuple[int, ...], degree: int) -> str:
    """Return the quality of a scale's triad on a degree, 0-6.

    Examples
    --------
    >>> triad_quality(MAJOR, 1)
    'min'
    """
    third = (scale[(degree + 2) % 7] - scale[degree]) % 12
    fifth = (scale[(degree + 4) % 7] - scale[degree]) % 12
    return "dim" if fifth == 6 else ("maj" if third == 4 else "min")


def parse_chord(name: str) -> tuple[int, str] | None:
    """Return (root 0-11, quality) of a chord in Harte's syntax; None for "no chord".

    Qualities that are not in `QUALITIES` become the closest one that is, else major.

    Examples
    --------
    >>> parse_chord("F#:min7/b3"), parse_chord("N")
    ((6, 'min7'), None)
    """
    root, _, quality = name.partition(":")
    quality = quality.split("/")[0].split("(")[0] or "maj"
    root = root.split("/")[0]
    if root not in PITCH_CLASSES:
        return None
    quality = _SIMPLIFIED.get(quality, quality)
    return PITCH_CLASSES[root], quality if quality in QUALITIES else "maj"


def estimate_chords(notes: np.ndarray, end: float, step: float = 2.0) -> tuple[Chord, ...]:
    """Return the major or minor triad that fits the notes best, for every ``step`` beats.

    Parameters
    ----------
    notes : np.ndarray, shape (n, 4)
        Onset and duration [beats], MIDI pitch, velocity. The lowest note of a step counts twice,
        because the bass usually has the root.
    end : float
        Length of the song [beats].

    Examples
    --------
    >>> c_major = np.array([[0.0, 2, 48, 1], [0, 2, 52, 1], [0, 2, 55, 1]])
    >>> estimate_chords(c_major, 2.0)
    ((0.0, 2.0, 0, 'maj'),)
    """
    templates = [
        (root, q, [(root + t) % 12 for t in QUALITIES[q]])
        for root in range(12)
        for q in ("maj", "min")
    ]
    chords: list[Chord] = []
    for start in np.arange(0, end, step):
        stop = np.minimum(notes[:, 0] + notes[:, 1], start + step)
        length = np.maximum(stop - np.maximum(notes[:, 0], start), 0)
        sounding = length > 0
        if not sounding.any():
            continue
        weight = np.bincount(
            notes[sounding, 2].astype(int) % 12, weights=length[sounding], minlength=12
        )
        weight[int(notes[sounding, 2].min()) % 12] *= 2
        root, quality, _ = max(templates, key=lambda t: weight[t[2]].sum() + 0.5 * weight[t[0]])
        if chords and chords[-1][2:] == (root, quality) and sum(chords[-1][:2]) == start:
            chords[-1] = (chords[-1][0], chords[-1][1] + step, root, quality)
        else:
            chords.append((float(start), float(step), root, quality))
    return tuple(chords)
