"""OPTIMIZE and VACUUM with a retention that is safe for time travel and running readers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from pyspark.sql import Row

from covers.io.lake import Lake
from covers.schemas.table import Table

SAFE_HOURS = 168


def check_retention(hours: int) -> int:
    """Return ``hours``.

    Raises
    ------
    ValueError
        If they are less than Delta's safe limit.
    """
    if hours < SAFE_HOURS:
        raise ValueError(f"retention must be at least {SAFE_HOURS} h, got {hours}")
    return hours


def maintain(lake: Lake, tables: Sequence[Table], *, retain_hours: int) -> list[dict]:
    """Compact and vacuum each table that exists.

    Parameters
    ----------
    lake : Lake
        Of the tables.
    tables : Sequence[Table]
        Those that do not exist are left out.
    retain_hours : int
        Files of versions younger than this are kept [h].

    Returns
    -------
    list of dict
        Per table: table, rows, megabytes, files_before, files_after.

    Raises
    ------
    ValueError
        If the retention is below Delta's safe limit.
    """
    check_retention(retain_hours)
    existing = [t for t in tables if lake.exists(t)]
    with ThreadPoolExecutor(4) as pool:  # Spark plans one statement a thread: most of the time here
        return list(pool.map(lambda table: _maintain(lake, table, retain_hours), existing))


def _maintain(lake: Lake, table: Table, retain_hours: int) -> dict:
    name = lake.identifier(table)
    before = after = _detail(lake, table)
    if before["numFiles"] > 1:
        lake.spark.sql(f"OPTIMIZE {name}")
        lake.outputs[table.name] = lake.version(table)
        after = _detail(lake, table)
    age = datetime.now() - before["createdAt"]
    if age > timedelta(hours=retain_hours):  # before that no file can be old enough
        lake.spark.sql(f"VACUUM {name} RETAIN {retain_hours} HOURS")
    return {
        "table": table.name,
        "rows": lake.count(table),
        "megabytes": after["sizeInBytes"] / 1e6,
        "files_before": before["numFiles"],
        "files_after": after["numFiles"],
    }


def _detail(lake: Lake, table: Table) -> Row:
    return lake.spark.sql(f"DESCRIBE DETAIL {lake.identifier(table)}").collect()[0]
