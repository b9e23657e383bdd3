"""New songs out of the phrases of others: in one key, some turned upside down, some played backwards.

A network that is trained on few songs learns them by heart. POP909's 909 have fifteen thousand phrases;
put together anew, and mirrored in pitch or time, they are as many works as one asks for, each with melody,
chords and accompaniment that people wrote.

*Conventions.* As `covers.synthesis.song`. A phrase upside down is mirrored within its scale at the tonic, by
which triads stay triads (I becomes IV, II becomes III, VI stays); backwards, its notes and chords end
where they began.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from covers.errors import InputError
from covers.synthesis.song import MAJOR, MINOR, QUALITIES, Chord, Song

N_PHRASES = (4, 9)  # of a new song, the last left out
TURNED = 0.35  # how often a phrase is upside down, and how often backwards


Load = Callable[[str], Song]
Names = list[tuple[str, str]]  # of a song, its split


def of_songs(names: Names, load: Load, n: int, seed: int) -> tuple[Names, Load]:
    """Return names of ``n`` new songs, and their reader: made of songs of split train, and in it.

    Raises
    ------
    InputError
        If no song is in split train.
    """
    sources = [name for name, split in names if split == "train"]
    if not sources:
        raise InputError(f"songs to mix must be in split train, got none of {len(names)} there")
    made = {f"mixed {number}": number for number in range(n)}
    return [(name, "train") for name in made], lambda name: mixed(sources, load, made[name], seed)


def mixed(names: Sequence[str], load: Load, number: int, seed: int) -> Song:
    """Return song ``number``, made of phrases of some of the songs that are named.

    Songs that cannot be read, or have no phrase with notes, are left out.

    Raises
    ------
    ValueError
        If that leaves none of those drawn.
    """
    rng = np.random.default_rng([seed, number])
    n = int(rng.integers(*N_PHRASES))
    drawn = rng.choice(len(names), size=min(n, len(names)), replace=False)
    chosen = [
        (song, phrases) for song, phrases in _read(load, [names[i] for i in drawn]) if phrases
    ]
    if not chosen:
        raise ValueError(f"songs to mix must be readable, got none of {len(drawn)}")
    first, _ = chosen[0]
    melody, accompaniment, chords, placed, now = [], [], [], [], 0.0
    for song, phrases in chosen:
        start, end = phrases[int(rng.integers(len(phrases)))]
        shift = (first.tonic + 3 * (song.mode - first.mode) - song.tonic + 6) % 12 - 6
        upside_down, backwards = rng.random(2) < TURNED
        scale = Scale(song.tonic, song.mode) if upside_down else None
        move = Move(start, end, now, shift, scale, bool(backwards))
        melody.append(move.notes(song.melody))
        accompaniment.append(move.notes(song.accompaniment))
        chords += move.chords(song.chords)
        placed.append((now, now + end - start))
        now += end - start
    of = hashlib.sha256(f"{seed} {sorted(Path(name).name for name in names)}".encode())
    return Song(
        f"mixed-{of.hexdigest()[:8]}-{number:05d}", f"Mixed {number} of seed {seed}",
        first.tonic, first.mode, float(np.median([song.tempo for song, _ in chosen])), np.concatenate(melody),
        tuple(chords), tuple(placed), np.concatenate(accompaniment), first.chords_from,
    )  # fmt: skip


def _read(load: Load, names: Sequence[str]) -> Iterator[tuple[Song, list[tuple[float, float]]]]:
    """Yield the songs that can be read, and their phrases in which the melody has notes."""
    for name in names:
        with contextlib.suppress(ValueError):
            song = load(name)
            onsets = song.melody[:, 0]
            yield (
                song,
                [(a, b) for a, b in song.phrases if ((onsets >= a) & (onsets < b)).sum() >= 4],
            )


@dataclass(frozen=True)
class Scale:
    """A major or minor scale, in which places can be mirrored: pitches of it go to pitches of it."""

    tonic: int
    mode: int

    def place(self, pitch: np.ndarray) -> np.ndarray:
        """Return the place of MIDI pitches, seven an octave; between two, the lower one's."""
        octave, step = np.divmod(np.asarray(pitch) - self.tonic, 12)
        return 7 * octave + np.searchsorted(self._steps, step, side="right") - 1

    def pitch(self, place: np.ndarray) -> np.ndarray:
        """Return the MIDI pitch of places."""
        octave, degree = np.divmod(place, 7)
        return self.tonic + 12 * octave + np.take(self._steps, degree.astype(int))

    def mirrored(self, pitch: np.ndarray) -> np.ndarray:
        """Return pitches mirrored at a tonic, together in the octave nearest to where they were."""
        turned = self.pitch(-self.place(pitch))
        return turned + 12 * np.round((np.median(pitch) - np.median(turned)) / 12)

    def triad(self, root: int) -> str:
        """Return the quality of the scale's triad on a pitch class."""
        place = self.place(np.array(root))
        third, fifth = (int(self.pitch(place + up) - self.pitch(place)) for up in (2, 4))
        return "dim" if fifth == 6 else ("maj" if third == 4 else "min")

    @property
    def _steps(self) -> tuple[int, ...]:
        return MAJOR if self.mode else MINOR


@dataclass(frozen=True)
class Move:
    """Where a stretch of a song goes, and how."""

    start: float
    end: float
    to: float
    shift: int  # semitones
    mirror: Scale | None  # upside down in this one
    backwards: bool

    def notes(self, notes: np.ndarray) -> np.ndarray:
        """Return the notes that begin in the stretch, moved."""
        inside = notes[(notes[:, 0] >= self.start) & (notes[:, 0] < self.end)].copy()
        inside[:, 1] = np.minimum(inside[:, 1], self.end - inside[:, 0])
        if self.backwards:
            inside[:, 0] = self.start + self.end - inside[:, 0] - inside[:, 1]
        inside[:, 0] += self.to - self.start
        if self.mirror and len(inside):
            inside[:, 2] = self.mirror.mirrored(inside[:, 2])
        inside[:, 2] += self.shift
        return inside[np.argsort(inside[:, 0], kind="stable")]

    def chords(self, chords: Sequence[Chord]) -> list[Chord]:
        """Return the chords that sound in the stretch, cut at its ends, moved."""
        found = []
        for onset, length, root, quality in chords:
            a, b = max(onset, self.start), min(onset + length, self.end)
            if a >= b:
                continue
            if self.mirror:  # its fifth is the new root
                fifth = np.array([root + QUALITIES[quality][2]])
                root = int(self.mirror.mirrored(fifth)[0]) % 12
                quality = self.mirror.triad(root)
            at = self.start + self.end - b if self.backwards else a
            found.append((at - self.start + self.to, b - a, int(root + self.shift) % 12, quality))
        return sorted(found)
