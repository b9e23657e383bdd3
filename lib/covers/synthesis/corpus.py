"""Folders of songs: which there are, reading one, and which are the same song under two names.

*Conventions.* A song is named by its path: a folder of POP909, or a MIDI file. Songs that share a
title, or more than `ALIKE` of the melodic figures that either has, go to one split together.

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
from pyspark.sql import SparkSession
from pyspark.sql import types as T
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from covers.errors import InputError
from covers.io.spark import map_rows
from covers.synthesis import midi
from covers.synthesis.song import Song

FIGURE = 8  # successive steps of the melody; of four, all songs share some
ALIKE = 0.15  # Jaccard similarity of two songs' figures; of POP909, unlike ones have at most 0.08
_FIGURES = T.StructType(
    [
        T.StructField("name", T.StringType()),
        T.StructField("title", T.StringType()),
        T.StructField("figures", T.ArrayType(T.LongType())),
    ]
)


def found(root: str, limit: int | None) -> list[str]:
    """Return the songs under a folder, sorted: POP909's folders, and MIDI files elsewhere.

    Raises
    ------
    InputError
        If there are none.
    """
    folders = {p.parent for p in Path(root).rglob("chord_midi.txt")}
    files = (p for p in Path(root).rglob("*") if p.suffix.lower() in {".mid", ".midi"})
    alone = (p for p in files if not folders & set(p.parents))
    songs = sorted(map(str, [*folders, *alone]))
    if not songs:
        raise InputError(
            f"songs must be MIDI files or folders of POP909 (NNN.mid, chord_midi.txt, beat_midi.txt), "
            f"got none in {root!r}; unpack pop909.tar.xz there"
        )
    return songs[:limit]


def loader(root: str) -> Callable[[str], Song]:
    """Return a reader of the songs under ``root``; a MIDI file's id is its path in there."""

    def load(name: str) -> Song:
        path = Path(name)
        if path.is_dir():
            return midi.read_pop909(path)
        inside = path.relative_to(root).with_suffix("")
        return replace(midi.read_midi(path), song_id="-".join(inside.parts))

    return load


def hash_of(root: str, limit: int | None) -> str:
    """Return a hash of the songs' names and sizes."""
    files = [f / f"{f.name}.mid" if f.is_dir() else f for f in map(Path, found(root, limit))]
    told = [(p.name, p.stat().st_size if p.is_file() else -1) for p in files]
    return hashlib.sha256(str(told).encode()).hexdigest()


def families(spark: SparkSession, load: Callable[[str], Song], names: list[str]) -> dict[str, str]:
    """Return, for every song, the name of the first song that it is alike to (mostly itself).

    Songs that cannot be read are their own; they are named when their versions are made.
    """

    def rows(row: dict) -> list[dict]:
        try:
            song = load(row["name"])
        except ValueError:
            return []
        return [
            {"name": row["name"], "title": song.title, "figures": figures(song.melody).tolist()}
        ]

    listed = spark.createDataFrame([(n,) for n in names], "name string")
    told = map_rows(listed, rows, _FIGURES, partition_by="name").collect()
    told = sorted(told, key=lambda r: r["name"])
    first = alike([r["title"] for r in told], [np.array(r["figures"], np.int64) for r in told])
    of_read = {r["name"]: told[i]["name"] for r, i in zip(told, first, strict=True)}
    return {name: of_read.get(name, name) for name in names}


def figures(melody: np.ndarray, size: int = FIGURE) -> np.ndarray:
    """Return the distinct figures of a melody (n, 3): ``size`` successive steps in semitones, hashed."""
    order = np.argsort(melody[:, 0], kind="stable")
    steps = np.diff(melody[order, 2]).astype(np.int64)
    steps = steps[steps != 0]
    if len(steps) < size:
        return np.empty(0, np.int64)
    rows = np.lib.stride_tricks.sliding_window_view(np.clip(steps, -12, 12) + 12, size)
    return np.unique(rows @ 25 ** np.arange(size))


def alike(titles: list[str], of_songs: list[np.ndarray]) -> list[int]:
    """Return, for every song, the first that it is joined to by title or by its figures.

    Examples
    --------
    >>> alike(["A", "B", "a"], [np.array([1, 2]), np.array([3]), np.array([4])])
    [0, 1, 0]
    """
    n = len(titles)
    _, columns = np.unique(np.concatenate([*of_songs, np.empty(0, np.int64)]), return_inverse=True)
    sizes = np.array([len(f) for f in of_songs], dtype=float)
    songs = np.repeat(np.arange(n), sizes.astype(int))
    shape = (n, 1 + int(columns.max(initial=0)))
    held = coo_matrix((np.ones(len(songs)), (songs, columns)), shape).tocsr()
    shared = (held @ held.T).tocoo()
    union = sizes[shared.row] + sizes[shared.col] - shared.data
    near = shared.data / np.maximum(union, 1) > ALIKE
    _, by_title = np.unique([t.casefold() for t in titles], return_inverse=True)
    first_of_title = np.full(n, n)
    np.minimum.at(first_of_title, by_title, np.arange(n))
    rows = np.concatenate([shared.row[near], np.arange(n)])
    others = np.concatenate([shared.col[near], first_of_title[by_title]])
    _, groups = connected_components(
        coo_matrix((np.ones(len(rows)), (rows, others)), (n, n)), False
    )
    first = np.full(n, n)
    np.minimum.at(first, groups, np.arange(n))
    return first[groups].tolist()
