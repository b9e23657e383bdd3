"""ingest_catalog: read Music Info CSV files into the catalogue; bad rows go to quarantine.

Reads   CSV files, folders of them, .csv.gz; local or any URI
Writes  tracks (merged on track_id: safe to run again), quarantine

    ./spark-submit.sh ingest_catalog --lake /data/lake --catalog "Music Info.csv"
"""

from __future__ import annotations

import argparse

from covers.catalog import ingest
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
    """Ingest, and tell why rows were set aside."""
    uris = ingest.csv_files(args.catalog)
    rows = checkpoint_to_disk(ingest.judged(ingest.read_csv(lake.spark, uris)))
    good, bad = ingest.split_good_and_bad(rows)
    n_tracks = lake.upsert(good, TRACKS)
    lake.n_quarantined = lake.upsert(bad, QUARANTINE)
    reasons = bad.groupBy("reason").count().orderBy("reason").collect()
    ignored = ingest.ignored_columns(uris)
    return {
        "files": len(uris),
        "columns left out": ", ".join(ignored) or "none",
        "read": rows.count(),
        "tracks": n_tracks,
        **ingest.undetected(good),
        "quarantined": lake.n_quarantined,
        "reasons": [{"reason": r[0], "rows": r[1]} for r in reasons],
    }


def hashes(args: argparse.Namespace) -> dict[str, str]:
    """Return the content hash of every input file."""
    found = {}
    for uri in ingest.csv_files(args.catalog):
        with files.local(uri) as path:
            found[uri] = files.sha256_of(path)
    return found


JOB = Job("ingest_catalog", parse_args, run, (), (TRACKS, QUARANTINE), hashes)

if __name__ == "__main__":
    JOB.main()
