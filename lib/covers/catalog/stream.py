"""Labelled tracks from Spark to the driver in a given order, in constant memory.

*Conventions.* A thousand tracks travel in one row as bytes, partition after partition: a row a
track would cost the driver many times as long. A batch is (x, y): x of shape (n, d) float64, y of
shape (n,) int32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame

Batch = tuple[np.ndarray, np.ndarray]
_PARTITION = 200_000  # tracks


def pack(rows: DataFrame, n_rows: int, order: Column) -> DataFrame:
    """Return the tracks in this order, up to a thousand in one row; takes features and cluster."""
    n_partitions = -(-n_rows // _PARTITION) or 1
    ordered = rows.withColumn("_order", order).repartitionByRange(n_partitions, "_order")
    ordered = ordered.sortWithinPartitions("_order").select("features", "cluster")
    return ordered.mapInArrow(_pack, "x binary, y binary")


def _pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        x = batch.column(0).flatten().to_numpy().astype(np.float64)
        y = batch.column(1).to_numpy().astype(np.int32)
        if len(y):
            yield pa.RecordBatch.from_pydict({"x": [x.tobytes()], "y": [y.tobytes()]})


def unpack(rows: Iterable) -> Iterator[Batch]:
    """Yield (x, y) of every row that `pack` made."""
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
