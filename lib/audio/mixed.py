"""New songs out of the phrases of others: in one key, some turned upside down, some played backwards.

A network that is trained on few songs learns them by heart. A thousand songs have thirty thousand phrases;
put together anew, and mirrored in pitch or time, they are as many works as one asks for, each with melody,
chords and accompaniment that people wrote.

*Conventions.* As `lib.audio.songs`. A phrase upside down is mirrored within its scale at the tonic, by
which triads stay triads (I becomes IV, II becomes III, VI stays); backwards, its notes and chords end
where they began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lib.audio.songs import MAJOR, MINOR, QUALITIES, Chord, Song

N_PHRASES = (4, 9)  # of a new song, the last left out
TURNED = 0.35  # how often a phrase is upside down, and how often backwards


Load = Callable[[str], Song]
Names = list[tuple[str, str]]  # of a song, its split


def of_songs(names: Names, load: Load, n: int, seed: int) -> tuple[Names, Load]:
    """Return names of ``n`` new songs, and their reader.

    Where songs are in several splits, the new ones are made of those in train, and are in train.
    """
    splits = {split for _, split in names}
    split = next(iter(splits)) if len(splits) == 1 else "train"
    sources = [name for name, of_name in names if of_name == split]
    made = {f"mixed {number}": number for number in range(n)}
    return [(name, split) for name in made], lambda name: mixed(sources, load, made[name], seed)


def mixed(names: Sequence[str], load: Load, number: int, seed: int) -> Song:
    """Return song ``number``, made of phrases of some of the songs that are named.

    Raises
    ------
    ValueError
        If none of the songs drawn can be read, or one has no phrase with notes.
    """
    rng = np.random.default_rng([seed, number])
    n = int(rng.integers(*N_PHRASES))
    drawn = rng.choice(len(names), size=min(n, len(names)), replace=False)
    chosen = list(_read(load, [names[i] for i in drawn]))
    if not chosen:
        raise ValueError(f"songs to mix must be readable, got none of {len(drawn)}")
    first = chosen[0]
    melody, accompaniment, chords, phrases, now = [], [], [], [], 0.0
    for song in chosen:
        start, end = _phrase_of(song, rng)
        shift = (first.tonic + 3 * (song.mode - first.mode) - song.tonic + 6) % 12 - 6
        upside_down, backwards = rng.random(2) < TURNED
        move = Move(start, end, now, shift, _mirror(song) if upside_down else None, bool(backwards))
        melody.append(move.notes(song.melody))
        accompaniment.append(move.notes(song.accompaniment))
        chords += move.chords(song.chords)
        phrases.append((now, now + end - start))
        now += end - start
    tempo = float(np.median([song.tempo for song in chosen]))
    title = f"Mixed {number} of seed {seed}"
    return Song(
        f"mixed{seed}-{number:05d}", title, first.tonic, first.mode, tempo, np.concatenate(melody),
        tuple(chords), tuple(phrases), np.concatenate(accompaniment), first.chords_from,
    )  # fmt: skip


def _read(load: Load, names: Sequence[str]) -> Iterator[Song]:
    for name in names:
        try:
            yield load(name)
        except ValueError:  # told where its own versions are made
            continue


def _phrase_of(song: Song, rng: np.random.Generator) -> tuple[float, float]:
    """Return a phrase of the song in which there are notes of its melody."""
    onsets = song.melody[:, 0]
    sung = [(a, b) for a, b in song.phrases if ((onsets >= a) & (onsets < b)).sum() >= 4]
    if not sung:
        raise ValueError(f"song must have a phrase with notes, got none in {song.song_id}")
    return sung[int(rng.integers(len(sung)))]


def _mirror(song: Song) -> np.ndarray:
    """Return, by pitch class, what it is moved by [semitones] when mirrored at the tonic.

    Classes of the scale go to classes of the scale; others as their lower neighbour.
    """
    scale = MAJOR if song.mode else MINOR
    to = np.zeros(12)
    for step in range(12):
        degree = max(i for i, s in enumerate(scale) if s <= step)
        to[(song.tonic + step) % 12] = scale[-degree % 7] - step
    return to


@dataclass(frozen=True)
class Move:
    """Where a stretch of a song goes, and how."""

    start: float
    end: float
    to: float
    shift: int  # semitones
    turn: np.ndarray | None  # semitones by pitch class, as `_mirror` has them
    backwards: bool

    def notes(self, notes: np.ndarray) -> np.ndarray:
        """Return the notes that begin in the stretch, moved."""
        inside = notes[(notes[:, 0] >= self.start) & (notes[:, 0] < self.end)].copy()
        inside[:, 1] = np.minimum(inside[:, 1], self.end - inside[:, 0])
        if self.backwards:
            inside[:, 0] = self.start + self.end - inside[:, 0] - inside[:, 1]
        inside[:, 0] += self.to - self.start
        if self.turn is not None and len(inside):
            pitch = inside[:, 2]
            mirrored = pitch + self.turn[pitch.astype(int) % 12]
            # The class is right; the octave is the one nearest to the pitch mirrored at the middle.
            octaves = np.round((2 * np.median(pitch) - pitch - mirrored) / 12)
            inside[:, 2] = mirrored + 12 * octaves
        inside[:, 2] += self.shift
        return inside[np.argsort(inside[:, 0], kind="stable")]

    def chords(self, chords: Sequence[Chord]) -> list[Chord]:
        """Return the chords that sound in the stretch, cut at its ends, moved."""
        found = []
        for onset, length, root, quality in chords:
            a, b = max(onset, self.start), min(onset + length, self.end)
            if a >= b:
                continue
            if self.turn is not None:
                root, quality = _mirrored(root, quality, self.turn)
            at = self.start + self.end - b if self.backwards else a
            found.append((at - self.start + self.to, b - a, int(root + self.shift) % 12, quality))
        return sorted(found)


def _mirrored(root: int, quality: str, turn: np.ndarray) -> tuple[int, str]:
    """Return the triad that a chord's first three tones become."""
    tones = [(root + t) % 12 for t in QUALITIES[quality][:3]]
    top_down = [int(t + turn[t]) % 12 for t in tones[::-1]]
    third, fifth = ((t - top_down[0]) % 12 for t in top_down[1:])
    by_tones = {q[:3]: name for name, q in QUALITIES.items() if len(q) == 3}
    return top_down[0], by_tones.get((0, third, fifth), "maj" if third == 4 else "min")
