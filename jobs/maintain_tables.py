"""maintain_tables: compact small files, remove files that no version needs, show sizes.

Reads   any table
Writes  the same tables (OPTIMIZE, VACUUM); their content does not change

    ./spark-submit.sh maintain_tables --lake /data/lake --retain-hours 168
"""

from __future__ import annotations

import argparse

from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import checked, job_parser
from covers.io.lake import Lake
from covers.io.maintenance import check_retention, maintain
from covers.schemas.registry import TABLES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--retain-hours", type=checked(retention), default=168, metavar="H",
        help="keep files of versions younger than this (at least 168, Delta's safe limit)",
    )  # fmt: skip
    return parser.parse_args(argv)


def retention(text: str) -> int:
    """Parse a retention in hours."""
    return check_retention(int(text))


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Maintain every table that exists."""
    return {"tables": maintain(lake, TABLES, retain_hours=args.retain_hours)}


JOB = Job("maintain_tables", parse_args, run)

if __name__ == "__main__":
    JOB.main()
