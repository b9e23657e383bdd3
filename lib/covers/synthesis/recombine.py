"""New songs recombined from the phrases of others, some of them inverted, some in retrograde.

A network trained on few songs memorises them. The 909 songs of POP909 have fifteen thousand phrases:
recombined in one key, and mirrored in pitch or in time, they give any number of works whose melody,
chords and accompaniment people wrote.

*Conventions.* As `covers.synthesis.song`. Inversion mirrors a phrase within its scale at the tonic, so
that triads stay triads (I becomes IV, II becomes III, VI stays VI). In retrograde, notes and chords
start where they ended, counted from the end.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from covers.errors import InputError
from covers.synthesis.chords import MAJOR, MINOR, QUALITIES, Chord
from covers.synthesis.corpus import Loader
from covers.synthesis.song import Song

N_PHRASES = (4, 9)  # of a new song, the last excluded
TRANSFORM_PROBABILITY = 0.35  # of an inversion, and of a retrograde
MIN_NOTES = 4  # of the melody in a phrase

Names = list[tuple[str, str]]  # of a song, its split


def plan_recombinations(names: Names, load: Loader, n: int, seed: int) -> tuple[Names, Loader]:
    """Return names of ``n`` new songs in split train, and their loader.

    They are made of the songs of ``names`` that are in split train.

    Raises
    ------
    InputError
        If no song is in split train.
    """
    sources = [name for name, split in names if split == "train"]
    if not sources:
        raise InputError(
            f"songs to recombine must be in split train, got none of {len(names)} there"
        )
    numbers = {f"recombined {number}": number for number in range(n)}
    return (
        [(name, "train") for name in numbers],
        lambda name: recombine(sources, load, numbers[name], seed),
    )


def recombine(names: Sequence[str], load: Loader, number: int, seed: int) -> Song:
    """Return new song ``number``, made of phrases of some of the songs that are named.

    Songs that cannot be read, or have no phrase with notes, are skipped. The key is that of the
    first song; phrases are transposed to it, of the other mode to its relative key.

    Raises
    ------
    ValueError
        If all of the songs drawn are skipped.
    """
    rng = np.random.default_rng([seed, number])
    n = int(rng.integers(*N_PHRASES))
    drawn = rng.choice(len(names), size=min(n, len(names)), replace=False)
    sources = [(song, p) for song, p in _read_phrases(load, [names[i] for i in drawn]) if p]
    if not sources:
        raise ValueError(f"songs to recombine must be readable, got none of {len(drawn)}")
    first, _ = sources[0]
    melody, accompaniment, chords, phrases, now = [], [], [], [], 0.0
    for song, candidates in sources:
        start, end = candidates[int(rng.integers(len(candidates)))]
        shift = (first.tonic + 3 * (song.mode - first.mode) - song.tonic + 6) % 12 - 6
        is_inverted, is_retrograde = rng.random(2) < TRANSFORM_PROBABILITY
        scale = Scale(song.tonic, song.mode) if is_inverted else None
        transform = PhraseTransform(start, end, now, shift, scale, bool(is_retrograde))
        melody.append(transform.notes(song.melody))
        accompaniment.append(transform.notes(song.accompaniment))
        chords += transform.chords(song.chords)
        phrases.append((now, now + end - start))
        now += end - start
    corpus_id = hashlib.sha256(f"{seed} {sorted(Path(name).name for name in names)}".encode())
    # The id seeds the random draw of a version: with another prefix, the same seed gives other versions.
    return Song(
        f"mixed-{corpus_id.hexdigest()[:8]}-{number:05d}", f"Recombination {number} of seed {seed}",
        first.tonic, first.mode, float(np.median([song.tempo for song, _ in sources])),
        np.concatenate(melody), tuple(chords), tuple(phrases), np.concatenate(accompaniment),
        first.chords_from,
    )  # fmt: skip


def _read_phrases(
    load: Loader, names: Sequence[str]
) -> Iterator[tuple[Song, list[tuple[float, float]]]]:
    """Yield the songs that can be read, each with its phrases that have melody notes enough."""
    for name in names:
        with contextlib.suppress(ValueError):
            song = load(name)
            onsets = song.melody[:, 0]
            n_notes = [((onsets >= a) & (onsets < b)).sum() for a, b in song.phrases]
            yield song, [p for p, k in zip(song.phrases, n_notes, strict=True) if k >= MIN_NOTES]


@dataclass(frozen=True)
class Scale:
    """A major or minor scale; inversion within it takes its pitches to its pitches.

    A degree is the number of scale steps above the tonic of octave 0, seven an octave.
    """

    tonic: int
    mode: int

    def degree(self, pitch: np.ndarray) -> np.ndarray:
        """Return the degrees of MIDI pitches; of a pitch between two, the lower one's."""
        octave, step = np.divmod(np.asarray(pitch) - self.tonic, 12)
        return 7 * octave + np.searchsorted(self._steps, step, side="right") - 1

    def pitch(self, degree: np.ndarray) -> np.ndarray:
        """Return the MIDI pitches of degrees."""
        octave, step = np.divmod(degree, 7)
        return self.tonic + 12 * octave + np.take(self._steps, step.astype(int))

    def invert(self, pitch: np.ndarray) -> np.ndarray:
        """Return pitches mirrored at the tonic, moved by octaves to where their median was."""
        inverted = self.pitch(-self.degree(pitch))
        return inverted + 12 * np.round((np.median(pitch) - np.median(inverted)) / 12)

    def triad(self, root: int) -> str:
        """Return the quality of the scale's triad on a pitch class."""
        degree = self.degree(np.array(root))
        third, fifth = (int(self.pitch(degree + up) - self.pitch(degree)) for up in (2, 4))
        return "dim" if fifth == 6 else ("maj" if third == 4 else "min")

    @property
    def _steps(self) -> tuple[int, ...]:
        return MAJOR if self.mode else MINOR


@dataclass(frozen=True)
class PhraseTransform:
    """Where a phrase goes in the new song [beats], and how it is transformed."""

    start: float
    end: float
    to: float
    shift: int  # semitones
    inversion: Scale | None  # within this scale; None: not inverted
    is_retrograde: bool

    def notes(self, notes: np.ndarray) -> np.ndarray:
        """Return the notes (n, 3) or (n, 4) that begin in the phrase, transformed."""
        inside = notes[(notes[:, 0] >= self.start) & (notes[:, 0] < self.end)].copy()
        inside[:, 1] = np.minimum(inside[:, 1], self.end - inside[:, 0])
        if self.is_retrograde:
            inside[:, 0] = self.start + self.end - inside[:, 0] - inside[:, 1]
        inside[:, 0] += self.to - self.start
        if self.inversion and len(inside):
            inside[:, 2] = self.inversion.invert(inside[:, 2])
        inside[:, 2] += self.shift
        return inside[np.argsort(inside[:, 0], kind="stable")]

    def chords(self, chords: Sequence[Chord]) -> list[Chord]:
        """Return the chords that sound in the phrase, cut at its ends, transformed."""
        transformed = []
        for onset, length, root, quality in chords:
            a, b = max(onset, self.start), min(onset + length, self.end)
            if a >= b:
                continue
            if self.inversion:  # mirrored, the fifth is the lowest tone: the new root
                fifth = np.array([root + QUALITIES[quality][2]])
                root = int(self.inversion.invert(fifth)[0]) % 12
                quality = self.inversion.triad(root)
            at = self.start + self.end - b if self.is_retrograde else a
            new_root = int(root + self.shift) % 12
            transformed.append((at - self.start + self.to, b - a, new_root, quality))
        return sorted(transformed)
