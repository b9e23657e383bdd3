"""Accompaniments of versions: chords in a pattern, riffs, bass lines, drums.

*Conventions.* Notes are (n, 4) float64: onset and duration [beats], MIDI pitch, velocity 0-1. Hits of
drums are (onset, kind, velocity), with kind 0 kick, 1 snare, 2 hat. A bar has four beats.
"""

from __future__ import annotations

import numpy as np

from covers.synthesis.chords import QUALITIES, Chord
from covers.synthesis.song import Song
from covers.synthesis.version_spec import VersionSpec

PENTATONIC = ((0, 3, 5, 7, 10), (0, 2, 4, 7, 9))  # by mode: minor, major
DRUM_PATTERNS: dict[str, list[tuple[float, int, float]]] = {  # beat of the bar, kind, velocity
    "none": [],
    "rock": [(0, 0, 1), (2, 0, 0.9), (1, 1, 0.9), (3, 1, 0.9), *[(i / 2, 2, 0.4) for i in range(8)]],
    "disco": [
        *[(i, 0, 1) for i in range(4)], (1, 1, 0.7), (3, 1, 0.7), *[(i + 0.5, 2, 0.6) for i in range(4)],
    ],
    "ballad": [(0, 0, 0.7), (2, 1, 0.5), *[(i, 2, 0.2) for i in range(4)]],
    "shuffle": [
        (0, 0, 0.9), (2, 0, 0.8), (1, 1, 0.7), (3, 1, 0.7), *[(i + 0.67, 2, 0.5) for i in range(4)],
    ],
}  # fmt: skip


def substitute_chords(chords: list[Chord], share: float, rng: np.random.Generator) -> list[Chord]:
    """Replace a share of the chords by their relative: C by A minor, A minor by C."""
    substituted = []
    for onset, length, root, quality in chords:
        if rng.random() < share and quality in {"maj", "min"}:
            to_minor = quality == "maj"
            root, quality = (root + (9 if to_minor else 3)) % 12, "min" if to_minor else "maj"
        substituted.append((onset, length, root, quality))
    return substituted


def accompany(chords: list[Chord], spec: VersionSpec) -> np.ndarray:
    """Return the notes (n, 4) of chords in the pattern of the spec."""
    notes = []
    for onset, length, root, quality in chords:
        tones = list(QUALITIES[quality])
        if spec.sevenths and len(tones) == 3:
            tones.append(11 if quality == "maj" else 10)
        pitches = [48 + root + t for t in (tones if spec.pattern != "power" else (0, 7, 12))]
        if spec.pattern == "pad":
            notes += [(onset, length, p, 0.45) for p in pitches]
        elif spec.pattern == "arpeggio":
            steps = np.arange(0, length, 0.5)
            notes += [(onset + s, 0.6, pitches[i % len(pitches)], 0.5) for i, s in enumerate(steps)]
        else:
            step = 2.0 if spec.pattern == "block" else (1.0 if spec.pattern == "power" else 0.5)
            roll = 0.03 if spec.pattern == "strum" else 0.0
            for s in np.arange(0, length, step):
                notes += [(onset + s + roll * i, step * 0.9, p, 0.4) for i, p in enumerate(pitches)]
    return np.array(notes, dtype=float).reshape(-1, 4)


def play_bass(chords: list[Chord], style: str) -> np.ndarray:
    """Return the notes (n, 4) of a bass line, in a style of `BASS` but none."""
    notes = []
    for onset, length, root, quality in chords:
        tones = QUALITIES[quality]
        low = 36 + root if root < 6 else 24 + root
        if style == "walking":
            walk = [0, tones[1], tones[2], tones[1]]
            notes += [(onset + i, 0.9, low + walk[i % 4], 0.7) for i in range(int(max(length, 1)))]
        else:
            step = 0.5 if style == "eighths" else 2.0
            notes += [(onset + s, step * 0.9, low, 0.7) for s in np.arange(0, length, step)]
    return np.array(notes, dtype=float).reshape(-1, 4)


def play_drums(style: str, n_beats: float) -> np.ndarray:
    """Return the hits of every whole bar, shape (n, 3): onset [beats], kind, velocity."""
    bars = range(int(n_beats // 4))
    return np.array(
        [(4 * bar + beat, kind, v) for bar in bars for beat, kind, v in DRUM_PATTERNS[style]],
        dtype=float,
    ).reshape(-1, 3)


def repeat_riff(song: Song, melody: np.ndarray, n_beats: float, spec: VersionSpec) -> np.ndarray:
    """Return a riff of two bars, drawn once and repeated, in the song's pentatonic scale."""
    if spec.riff == "none":
        return np.empty((0, 4))
    rng = np.random.default_rng([spec.seed, 4])
    at = np.sort(rng.choice(np.arange(0, 8, 0.5), size=int(rng.integers(4, 11)), replace=False))
    length = np.diff(at, append=8.0)
    steps = np.cumsum(rng.choice([-2, -1, 0, 1, 2], size=len(at)))
    scale = PENTATONIC[song.mode]
    octave = 48 + 12 * int(rng.integers(0, 3))
    pitch = np.array([octave + song.tonic + 12 * (s // 5) + scale[s % 5] for s in steps])
    starts = np.arange(0, n_beats, 8.0)[:, None]
    notes = np.stack(
        [(starts + at).ravel(), np.tile(length, len(starts)), np.tile(pitch, len(starts)),
         np.full(len(starts) * len(at), 0.6)], axis=1,
    )  # fmt: skip
    if spec.riff == "fills" and len(melody):
        sounding = np.zeros(int(2 * n_beats) + 18, dtype=bool)
        for onset, duration in melody[:, :2]:
            sounding[max(int(2 * onset), 0) : int(np.ceil(2 * (onset + duration)))] = True
        notes = notes[~sounding[(2 * notes[:, 0]).astype(int)]]
    return notes[notes[:, 0] < n_beats]
