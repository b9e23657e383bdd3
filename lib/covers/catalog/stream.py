"""Labelled tracks in chunks of any length, cut and joined to batches in constant memory.

*Conventions.* A batch is (x, y): x of shape (n, d) float64, y of
shape (n,) int32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

Batch = tuple[np.ndarray, np.ndarray]


def unpack(rows: Iterable) -> Iterator[Batch]:
    """Yield (x, y) of every row that `classifier_table.pack` made."""
    for row in rows:
        y = np.frombuffer(row[1], np.int32)
        yield np.frombuffer(row[0]).reshape(len(y), -1), y


def slice_chunks(chunks: Iterable[Batch], start: int, stop: int) -> Iterator[Batch]:
    """Yield the rows from position ``start`` to before ``stop`` of chunks of any length."""
    at = 0
    for x, y in chunks:
        kept = slice(max(start - at, 0), max(stop - at, 0))
        if len(y[kept]):
            yield x[kept], y[kept]
        at += len(y)
        if at >= stop:
            return


def batches(chunks: Iterable[Batch], size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield (x, y) of ``size`` rows (the last may be shorter), shuffled within the batch."""
    held: list[Batch] = []
    n_held = 0
    for x, y in chunks:
        held.append((x, y))
        n_held += len(y)
        while n_held >= size:
            all_x, all_y = (np.concatenate(arrays) for arrays in zip(*held, strict=True))
            order = rng.permutation(size)
            yield all_x[:size][order], all_y[:size][order]
            held, n_held = [(all_x[size:], all_y[size:])], n_held - size
    if n_held:
        order = rng.permutation(n_held)
        x, y = (np.concatenate(arrays)[order] for arrays in zip(*held, strict=True))
        yield x, y
