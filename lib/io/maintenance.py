"""OPTIMIZE and VACUUM with a retention that leaves time travel and running readers alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from lib.io.lake import Lake
from schemas.table import Table

SAFE_HOURS = 168


def retention(text: str) -> int:
    """Parse a retention in hours; less than Delta's safe limit is refused."""
    hours = int(text)
    if hours < SAFE_HOURS:
        raise argparse.ArgumentTypeError(f"retention must be at least {SAFE_HOURS} h, got {hours}")
    return hours


def maintain(lake: Lake, tables: Sequence[Table], *, retain_hours: int) -> list[dict]:
    """Compact and vacuum each table that exists; return its size before and after."""
    sizes = []
    for table in tables:
        if not lake.exists(table):
            continue
        name = lake.identifier(table)
        before = lake.spark.sql(f"DESCRIBE DETAIL {name}").collect()[0]
        lake.spark.sql(f"OPTIMIZE {name}")
        lake.spark.sql(f"VACUUM {name} RETAIN {retain_hours} HOURS")
        after = lake.spark.sql(f"DESCRIBE DETAIL {name}").collect()[0]
        lake.outputs[table.name] = lake.version(table)
        sizes.append(
            {
                "table": table.name,
                "rows": lake.count(table),
                "MB": after["sizeInBytes"] / 1e6,
                "files before": before["numFiles"],
                "files after": after["numFiles"],
            }
        )
    return sizes
