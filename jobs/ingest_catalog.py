"""ingest_catalog: read Music Info CSV files into the catalogue; rejected rows go to quarantine.

Reads   CSV files, folders of them, .csv.gz; local or any URI
Writes  tracks (merged on track_id: safe to run again), quarantine

    ./spark-submit.sh ingest_catalog --lake /data/lake --catalog "Music Info.csv"
"""

from __future__ import annotations

import argparse

from covers.catalog import tracks_table
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser
from covers.io import files
from covers.io.lake import Lake
from covers.io.spark import checkpoint_to_disk
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.tracks import TRACKS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--catalog", nargs="+", required=True, metavar="PATH", help="CSV or folder")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Ingest, and return why rows were rejected."""
    uris = tracks_table.csv_files(args.catalog)
    rows = checkpoint_to_disk(tracks_table.validate(tracks_table.read_csv(lake.spark, uris)))
    valid, rejected = tracks_table.split_valid_and_rejected(rows)
    n_tracks = lake.upsert(valid, TRACKS)
    lake.n_quarantined = lake.upsert(rejected, QUARANTINE)
    reasons = rejected.groupBy("reason").count().orderBy("reason").collect()
    ignored = tracks_table.ignored_columns(uris)
    return {
        "files": len(uris),
        "ignored_columns": ", ".join(ignored) or "none",
        "read": rows.count(),
        "tracks": n_tracks,
        **tracks_table.count_undetected(valid),
        "quarantined": lake.n_quarantined,
        "reasons": [{"reason": r[0], "rows": r[1]} for r in reasons],
    }


def hashes(args: argparse.Namespace) -> dict[str, str]:
    """Return the content hash of every input file."""
    found = {}
    for uri in tracks_table.csv_files(args.catalog):
        with files.local(uri) as path:
            found[uri] = files.sha256_of(path)
    return found


JOB = Job("ingest_catalog", parse_args, run, (), (TRACKS, QUARANTINE), hashes)

if __name__ == "__main__":
    JOB.main()
