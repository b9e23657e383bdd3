"""Rows of a pinned Delta snapshot for readers that are not Spark: petastorm, or pyarrow.

*Conventions.* A `Snapshot` names the Parquet files of one version of a table and the number of rows
that Delta's log counts in them. A read yields batches, column name to (n,) array, and fails where
it gives another number of rows: a reader that loses rows must never pass for a smaller table.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from covers.errors import InputError

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Snapshot:
    """Exactly the files of one version of a table."""

    table: str
    version: int
    paths: tuple[str, ...]
    n_rows: int


def read_rows(
    snapshot: Snapshot, columns: list[str], *, reader: str = "petastorm"
) -> Iterator[Batch]:
    """Yield batches of columns of all rows of a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
    columns : list of str
        Names of the columns to read.
    reader : str
        One of `READERS`.

    Yields
    ------
    dict of str to np.ndarray, shape (n,)
        The columns of a batch of rows; batches are as long as the files' row groups.

    Raises
    ------
    RuntimeError
        If the number of rows read is not the number that Delta's log gives.
    """
    if not snapshot.n_rows:
        return
    n_rows = 0
    for batch in _READ[reader](snapshot, columns):
        n_rows += len(batch[columns[0]])
        yield batch
    if n_rows != snapshot.n_rows:
        raise RuntimeError(
            f"rows read of {snapshot.table} version {snapshot.version} must be {snapshot.n_rows}, "
            f"got {n_rows} by {reader}"
        )


def _read_petastorm(snapshot: Snapshot, columns: list[str]) -> Iterator[Batch]:
    from covers.io import petastorm_compat  # noqa: F401, I001 (before petastorm)
    from petastorm import make_batch_reader

    urls = [path if "://" in path else f"file://{path}" for path in snapshot.paths]
    with make_batch_reader(
        urls, schema_fields=columns, shuffle_row_groups=False, num_epochs=1,
        reader_pool_type="thread", workers_count=1,
    ) as reader:  # fmt: skip
        for batch in reader:
            yield batch._asdict()


def _read_arrow(snapshot: Snapshot, columns: list[str]) -> Iterator[Batch]:
    import pyarrow.dataset as ds

    for batch in ds.dataset(list(snapshot.paths)).to_batches(columns=columns):
        if batch.num_rows:
            yield {c: batch.column(c).to_numpy(zero_copy_only=False) for c in columns}


_READ: dict[str, Callable[[Snapshot, list[str]], Iterator[Batch]]] = {
    "petastorm": _read_petastorm,
    "arrow": _read_arrow,
}
READERS = tuple(_READ)


def open_snapshot(uri: str, version: int | None = None) -> Snapshot | None:
    """Return the files of one version of a table, by default the newest; None where there is no table.

    Raises
    ------
    InputError
        If the table has deletion vectors: readers of raw files would see deleted rows.
    """
    from deltalake import DeltaTable

    location = uri.removeprefix("file:")
    if not DeltaTable.is_deltatable(location):
        return None
    table = DeltaTable(location, version=version)
    name = location.rstrip("/").rsplit("/", 1)[-1]
    if table.metadata().configuration.get("delta.enableDeletionVectors") == "true":
        raise InputError(
            f"table {name} must have deletion vectors off, got them on; run ALTER TABLE "
            "… SET TBLPROPERTIES ('delta.enableDeletionVectors' = false) and REORG … APPLY"
        )
    actions = table.get_add_actions(flatten=True)
    n_rows = sum(actions.column("num_records").to_pylist())
    return Snapshot(name, table.version(), tuple(sorted(table.file_uris())), n_rows)


def read_matching(
    snapshot: Snapshot, columns: list[str], matching: Mapping[str, Collection[str]]
) -> list[dict[str, Any]]:
    """Return the rows whose columns have one of these values each, as dicts."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    if not snapshot.n_rows:
        return []
    condition: Any = None
    for column, values in matching.items():
        one = pc.field(column).isin(list(values))
        condition = one if condition is None else condition & one
    return ds.dataset(list(snapshot.paths)).to_table(columns=columns, filter=condition).to_pylist()


def is_delta_table(uri: str) -> bool:
    """Tell whether there is a Delta table."""
    from deltalake import DeltaTable

    return DeltaTable.is_deltatable(uri.removeprefix("file:"))
