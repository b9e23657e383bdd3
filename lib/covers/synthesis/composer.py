"""The project's own composer: simple songs for the demo and the tests.

*Conventions.* As `covers.synthesis.song`. Equal numbers and seeds give equal songs.
"""

from __future__ import annotations

import numpy as np

from covers.synthesis.chords import MAJOR, MINOR, Chord, triad_quality
from covers.synthesis.song import Song

_RHYTHMS = (
    (1, 1, 1, 1), (2, 1, 1), (1.5, 0.5, 1, 1), (0.5, 0.5, 1, 2), (1, 0.5, 0.5, 2), (3, 1),
    (0.5, 0.5, 0.5, 0.5, 1, 1), (1.5, 1.5, 1), (0.5, 1, 0.5, 2), (1, 1, 2),
)  # fmt: skip
_FIRST = ("Silver", "Paper", "Midnight", "Golden", "Hollow", "Distant", "Velvet", "Broken", "Quiet",
          "Electric", "Winter", "Crimson")  # fmt: skip
_SECOND = ("River", "Window", "Letter", "Harbour", "Mirror", "Engine", "Garden", "Signal", "Lantern",
           "Avenue", "Promise", "Satellite")  # fmt: skip


def compose(number: int, seed: int) -> Song:
    """Compose one song: three four-bar phrases with a motif each; the same for the same seed."""
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
            chords.append((onset, 4.0, (tonic + scale[degree]) % 12, triad_quality(scale, degree)))
            onset = _add_bar(
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
    """Draw four scale degrees, no two in a row the same, the first often the tonic."""
    degrees = [0 if rng.random() < 0.5 else int(rng.choice([3, 5, 1]))]
    while len(degrees) < 4:
        degree = int(rng.choice([0, 1, 2, 3, 4, 5]))
        if degree != degrees[-1]:
            degrees.append(degree)
    return degrees


def _add_bar(notes: list, onset: float, rhythm: tuple, steps: np.ndarray, frame: tuple) -> float:
    """Append the notes of a bar to ``notes``; return the onset of the next bar."""
    degree, position, scale, centre = frame
    for i, length in enumerate(rhythm):
        if i == 0:  # a chord tone on the first beat
            position = degree + 2 * (position % 3)
        else:
            position += int(steps[i])
        octave, step = divmod(int(np.clip(position, -4, 11)), 7)
        notes.append((onset, float(length), float(centre + 12 * octave + scale[step])))
        onset += length
    return onset
