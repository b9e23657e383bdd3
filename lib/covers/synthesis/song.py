"""Songs as symbols, and the project's own composer; `covers.synthesis.midi` reads songs from files.

*Conventions.* Time is in beats. ``melody`` is (n, 3) float64: onset, duration, MIDI pitch.
``chords`` are (onset, duration, root pitch class, quality). ``accompaniment`` is what else was
written, (n, 4): as the melody, and velocity 0-1; empty where only chords are known. ``phrases``
are (start, end) beats of the sections that a version may repeat, drop or reorder.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

QUALITIES = {
    "maj": (0, 4, 7), "min": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10), "dim": (0, 3, 6), "aug": (0, 4, 8), "sus2": (0, 2, 7), "sus4": (0, 5, 7),
}  # fmt: skip
PITCH_CLASSES = {
    "C": 0, "C#": 1, "Db": 1, "D": 2, "D#": 3, "Eb": 3, "E": 4, "Fb": 4, "F": 5, "F#": 6, "Gb": 6,
    "G": 7, "G#": 8, "Ab": 8, "A": 9, "A#": 10, "Bb": 10, "B": 11, "Cb": 11,
}  # fmt: skip
MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_RHYTHMS = (
    (1, 1, 1, 1), (2, 1, 1), (1.5, 0.5, 1, 1), (0.5, 0.5, 1, 2), (1, 0.5, 0.5, 2), (3, 1),
    (0.5, 0.5, 0.5, 0.5, 1, 1), (1.5, 1.5, 1), (0.5, 1, 0.5, 2), (1, 1, 2),
)  # fmt: skip
_FIRST = ("Silver", "Paper", "Midnight", "Golden", "Hollow", "Distant", "Velvet", "Broken", "Quiet",
          "Electric", "Winter", "Crimson")  # fmt: skip
_SECOND = ("River", "Window", "Letter", "Harbour", "Mirror", "Engine", "Garden", "Signal", "Lantern",
           "Avenue", "Promise", "Satellite")  # fmt: skip

Chord = tuple[float, float, int, str]


@dataclass(frozen=True)
class Song:
    """One song as notes and chords."""

    song_id: str
    title: str
    tonic: int
    mode: int
    tempo: float
    melody: np.ndarray
    chords: tuple[Chord, ...]
    phrases: tuple[tuple[float, float], ...]
    accompaniment: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    chords_from: str = "written"  # or "estimated", where the file has none

    def __post_init__(self) -> None:
        """Refuse a song without notes or of no length."""
        if self.melody.ndim != 2 or not len(self.melody):
            raise ValueError(f"melody of {self.song_id} must have notes, got {self.melody.shape}")
        if not self.phrases or self.phrases[-1][1] <= 0:
            raise ValueError(f"phrases of {self.song_id} must have length, got {self.phrases}")


def compose(number: int, seed: int) -> Song:
    """Compose one song: three four-bar phrases with a motif each, the same for the same seed."""
    rng = np.random.default_rng([seed, number])
    tonic, mode = int(rng.integers(12)), int(rng.random() < 0.6)
    scale = MAJOR if mode else MINOR
    degrees_by_phrase = [_progression(rng) for _ in range(3)]
    notes: list[tuple[float, float, float]] = []
    chords: list[Chord] = []
    centre = 60 + tonic - (12 if tonic > 6 else 0)
    for phrase, degrees in enumerate(degrees_by_phrase):
        rhythms = [_RHYTHMS[rng.integers(len(_RHYTHMS))] for _ in range(2)]
        steps = [
            rng.choice([-3, -2, -1, 0, 1, 2, 4], size=8, p=[0.08, 0.17, 0.25, 0.1, 0.25, 0.1, 0.05])
            for _ in range(2)
        ]
        position = int(rng.integers(0, 7))
        for bar, degree in enumerate(degrees):
            onset = phrase * 16 + bar * 4.0
            chords.append((onset, 4.0, (tonic + scale[degree]) % 12, _triad(scale, degree)))
            onset = _bar_of_melody(
                notes, onset, rhythms[bar % 2], steps[bar % 2], (degree, position, scale, centre)
            )
    title = f"{_FIRST[number % 12]} {_SECOND[(number // 12 + number) % 12]}"
    if number >= 144:
        title += f" {number // 144 + 1}"
    return Song(
        f"demo{number:04d}", title, tonic, mode, float(rng.uniform(80, 150)), np.array(notes),
        tuple(chords), tuple((i * 16.0, i * 16.0 + 16.0) for i in range(3)),
    )  # fmt: skip


def _progression(rng: np.random.Generator) -> list[int]:
    """Four scale degrees; any order, the first often the tonic."""
    degrees = [0 if rng.random() < 0.5 else int(rng.choice([3, 5, 1]))]
    while len(degrees) < 4:
        degree = int(rng.choice([0, 1, 2, 3, 4, 5]))
        if degree != degrees[-1]:
            degrees.append(degree)
    return degrees


def _triad(scale: tuple[int, ...], degree: int) -> str:
    third = (scale[(degree + 2) % 7] - scale[degree]) % 12
    fifth = (scale[(degree + 4) % 7] - scale[degree]) % 12
    return "dim" if fifth == 6 else ("maj" if third == 4 else "min")


def _bar_of_melody(
    notes: list, onset: float, rhythm: tuple, steps: np.ndarray, frame: tuple
) -> float:
    degree, position, scale, centre = frame
    for i, length in enumerate(rhythm):
        if i == 0:  # a chord note on the first beat
            position = degree + 2 * (position % 3)
        else:
            position += int(steps[i])
        octave, step = divmod(int(np.clip(position, -4, 11)), 7)
        notes.append((onset, float(length), float(centre + 12 * octave + scale[step])))
        onset += length
    return onset


def parse_chord(name: str) -> tuple[int, str] | None:
    """Return root and quality of a chord in Harte's syntax; None for "no chord".

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
    simple = {
        "min6": "min",
        "maj6": "maj",
        "hdim7": "dim",
        "dim7": "dim",
        "9": "7",
        "minmaj7": "min",
    }
    quality = simple.get(quality, quality)
    return PITCH_CLASSES[root], quality if quality in QUALITIES else "maj"


def estimate_tonic(melody: np.ndarray) -> tuple[int, int]:
    """Return tonic and mode whose scale holds most of the melody, weighted by duration."""
    weight = np.bincount(melody[:, 2].astype(int) % 12, weights=melody[:, 1], minlength=12)
    fits = [
        (sum(weight[(t + s) % 12] for s in scale) + 0.5 * weight[t], t, m)
        for t in range(12)
        for m, scale in ((1, MAJOR), (0, MINOR))
    ]
    _, tonic, mode = max(fits, key=lambda f: (f[0], f[2]))
    return tonic, mode
