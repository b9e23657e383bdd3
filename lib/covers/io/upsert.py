"""Merging rows into a Delta table: what differs, the merge itself, retries.

*Conventions.* In SQL the table is ``t`` and the rows to merge are ``s``. `covers.io.lake` calls these.
"""

from __future__ import annotations

from typing import NamedTuple

from delta import exceptions as delta_errors
from delta.tables import DeltaTable
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from covers.errors import SchemaMismatch
from covers.schemas.table import Table

_CONFLICTS = tuple(
    getattr(delta_errors, name) for name in delta_errors.__all__ if name.endswith("Exception")
)
retry_on_conflict = Retrying(  # every one of them ends with nothing written
    retry=retry_if_exception_type(_CONFLICTS),
    stop=stop_after_attempt(8),
    wait=wait_random(0.1, 2.0),
    reraise=True,
)


class Differences(NamedTuple):
    """Of the rows to merge: how many there are, have new keys, have changed values."""

    n_rows: int
    n_new: int
    n_changed: int


def differences(rows: DataFrame, current: DataFrame | None, table: Table) -> Differences:
    """Compare rows with the table's current ones; None for a new table.

    Raises
    ------
    SchemaMismatch
        If two rows have the same key.
    """
    pairs = rows.alias("s")
    is_held = is_changed = F.lit(False)
    if current is not None:
        pairs = pairs.join(current.alias("t"), F.expr(_same_key(table)), "left")
        is_held = F.col(f"t.`{table.key[0]}`").isNotNull()  # keys are NOT NULL
        is_changed = is_held & F.expr(_differs(table))
    by_key = pairs.groupBy(*(F.col(f"s.`{k}`").alias(k) for k in table.key)).agg(
        F.count("*").alias("n"),
        F.count_if(~is_held).alias("new"),
        F.count_if(is_changed).alias("changed"),
    )
    most_frequent = F.max_by(F.struct(*table.key), "n")
    n_same, key, *counts = by_key.agg(
        F.max("n"), most_frequent, F.sum("n"), F.sum("new"), F.sum("changed")
    ).collect()[0]
    if (n_same or 0) > 1:
        raise SchemaMismatch(
            f"rows for table {table.name} must differ in {table.key}, got {n_same} of {tuple(key)}"
        )
    return Differences(*(n or 0 for n in counts))


def count_absent(rows: DataFrame, current: DataFrame, table: Table, condition: str) -> int:
    """Return how many of the table's rows under ``condition`` (as ``t``) are not in ``rows``."""
    held = current.alias("t").where(condition)
    return held.join(rows.select(*table.key), list(table.key), "left_anti").count()


def merge(
    target: DeltaTable, rows: DataFrame, table: Table, n_changed: int, delete_absent: str | None
) -> None:
    """Insert new rows, update changed ones, delete absent ones under a condition."""
    statement = target.alias("t").merge(rows.alias("s"), _same_key(table))
    statement = statement.whenNotMatchedInsertAll()
    if n_changed:  # else Delta takes its faster way for inserts alone
        statement = statement.whenMatchedUpdateAll(condition=_differs(table))
    if delete_absent:
        statement = statement.whenNotMatchedBySourceDelete(condition=delete_absent)
    statement.execute()


def fingerprint(rows: DataFrame) -> tuple[int, int]:
    """Return the number of rows and the sum of their hashes, which no order changes."""
    hashed = rows.select(F.xxhash64(*rows.columns).cast("decimal(20)").alias("_"))
    n_rows, total = hashed.agg(F.count("*"), F.sum("_")).collect()[0]
    return n_rows, int(total or 0)


def check_columns(table: Table, columns: dict[str, str]) -> None:
    """Compare names and types with the schema.

    Raises
    ------
    SchemaMismatch
        Naming the columns that are missing, extra or of another type.
    """
    expected = {c.name: c.type.simpleString() for c in table.columns}
    wrong = {
        name: f"{columns.get(name, 'missing')}, not {expected.get(name, 'expected')}"
        for name in [*expected, *(set(columns) - set(expected))]
        if columns.get(name) != expected.get(name)
    }
    if wrong:
        raise SchemaMismatch(
            f"rows for table {table.name} must match schemas/{table.name}.py, got {wrong}"
        )


def _same_key(table: Table) -> str:
    return " AND ".join(f"t.`{k}` = s.`{k}`" for k in table.key)


def _differs(table: Table) -> str:
    return " OR ".join(f"NOT (t.`{c}` <=> s.`{c}`)" for c in table.column_names)
