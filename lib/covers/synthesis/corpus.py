"""Folders of songs: finding them, reading one, and which are duplicates of each other.

*Conventions.* A song is named by its path: a folder of POP909, or a MIDI file. Songs that share a
title, or more than `DUPLICATE_SIMILARITY` of the melodic n-grams that either has, are duplicates:
they belong in one split.

References
----------
Downie. "Evaluating a simple approach to music information retrieval: conceiving melodic n-grams as
text." 1999.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from covers.errors import InputError
from covers.synthesis.midi import read_midi
from covers.synthesis.pop909 import read_pop909
from covers.synthesis.song import Song

NGRAM_SIZE = 8  # successive steps of the melody; of four, all songs have some in common
# Jaccard similarity of two songs' n-grams; different songs of POP909 have at most 0.08.
DUPLICATE_SIMILARITY = 0.15

Loader = Callable[[str], Song]  # raises ValueError if the song cannot be read


def find_songs(root: str, limit: int | None) -> list[str]:
    """Return the songs under a folder, sorted: POP909's folders, and MIDI files outside them.

    Raises
    ------
    InputError
        If there are none.
    """
    folders = {p.parent for p in Path(root).rglob("chord_midi.txt")}
    files = (p for p in Path(root).rglob("*") if p.suffix.lower() in {".mid", ".midi"})
    outside = (p for p in files if not folders & set(p.parents))
    songs = sorted(map(str, [*folders, *outside]))
    if not songs:
        raise InputError(
            f"songs must be MIDI files or folders of POP909 (NNN.mid, chord_midi.txt, beat_midi.txt), "
            f"got none in {root!r}; unpack pop909.tar.xz there"
        )
    return songs[:limit]


def song_loader(root: str) -> Loader:
    """Return a function that reads a song under ``root``; a MIDI file's id is its path in there."""

    def load(name: str) -> Song:
        path = Path(name)
        if path.is_dir():
            return read_pop909(path)
        inside = path.relative_to(root).with_suffix("")
        return replace(read_midi(path), song_id="-".join(inside.parts))

    return load


def hash_songs(root: str, limit: int | None) -> str:
    """Return a hash of the songs' file names and sizes."""
    files = [f / f"{f.name}.mid" if f.is_dir() else f for f in map(Path, find_songs(root, limit))]
    sizes = [(p.name, p.stat().st_size if p.is_file() else -1) for p in files]
    return hashlib.sha256(str(sizes).encode()).hexdigest()


def melodic_ngrams(melody: np.ndarray, size: int = NGRAM_SIZE) -> np.ndarray:
    """Return the distinct n-grams of a melody, hashed.

    Parameters
    ----------
    melody : np.ndarray, shape (n, 3)
        Onset, duration, MIDI pitch.
    size : int
        Successive steps of an n-gram, in semitones; repeated notes are no step.

    Returns
    -------
    np.ndarray, shape (m,), int64
        Sorted; empty if the melody has fewer than ``size`` steps.
    """
    order = np.argsort(melody[:, 0], kind="stable")
    steps = np.diff(melody[order, 2]).astype(np.int64)
    steps = steps[steps != 0]
    if len(steps) < size:
        return np.empty(0, np.int64)
    rows = np.lib.stride_tricks.sliding_window_view(np.clip(steps, -12, 12) + 12, size)
    return np.unique(rows @ 25 ** np.arange(size))  # base 25: distinct up to 13 steps


def find_duplicates(titles: list[str], ngrams: list[np.ndarray]) -> list[int]:
    """Return, for every song, the index of the first song that it is a duplicate of, mostly itself.

    Duplicates of duplicates are duplicates.

    Examples
    --------
    >>> find_duplicates(["A", "B", "a"], [np.array([1, 2]), np.array([3]), np.array([4])])
    [0, 1, 0]
    """
    n = len(titles)
    _, columns = np.unique(np.concatenate([*ngrams, np.empty(0, np.int64)]), return_inverse=True)
    sizes = np.array([len(x) for x in ngrams], dtype=float)
    songs = np.repeat(np.arange(n), sizes.astype(int))
    shape = (n, 1 + int(columns.max(initial=0)))
    incidence = coo_matrix((np.ones(len(songs)), (songs, columns)), shape).tocsr()
    shared = (incidence @ incidence.T).tocoo()  # n-grams that two songs have in common
    union = sizes[shared.row] + sizes[shared.col] - shared.data
    similar = shared.data / np.maximum(union, 1) > DUPLICATE_SIMILARITY
    _, by_title = np.unique([t.casefold() for t in titles], return_inverse=True)
    first_of_title = np.full(n, n)
    np.minimum.at(first_of_title, by_title, np.arange(n))
    rows = np.concatenate([shared.row[similar], np.arange(n)])
    duplicates = np.concatenate([shared.col[similar], first_of_title[by_title]])
    edges = coo_matrix((np.ones(len(rows)), (rows, duplicates)), (n, n))
    _, groups = connected_components(edges, directed=False)
    first = np.full(n, n)
    np.minimum.at(first, groups, np.arange(n))
    return first[groups].tolist()
