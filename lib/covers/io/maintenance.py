"""OPTIMIZE and VACUUM with a retention that leaves time travel and running readers alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from pyspark.sql import Row

from covers.io.lake import Lake
from covers.schemas.table import Table

SAFE_HOURS = 168


def retention(text: str) -> int:
    """Parse a retention in hours; less than Delta's safe limit is refused."""
    hours = int(text)
    if hours < SAFE_HOURS:
        raise argparse.ArgumentTypeError(f"retention must be at least {SAFE_HOURS} h, got {hours}")
    return hours


def maintain(lake: Lake, tables: Sequence[Table], *, retain_hours: int) -> list[dict]:
    """Compact and vacuum each table that exists; return its size before and after."""
    found = [t for t in tables if lake.exists(t)]
    with ThreadPoolExecutor(4) as pool:  # Spark plans one statement a thread: most of the time here
        return list(pool.map(lambda table: _maintain(lake, table, retain_hours), found))


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
        "MB": after["sizeInBytes"] / 1e6,
        "files before": before["numFiles"],
        "files after": after["numFiles"],
    }


def _detail(lake: Lake, table: Table) -> Row:
    return lake.spark.sql(f"DESCRIBE DETAIL {lake.identifier(table)}").collect()[0]
