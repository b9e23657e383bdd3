"""ingest_recordings: register audio files by a manifest or a folder tree; broken ones are quarantined.

Reads   a manifest CSV or a folder of WAV, FLAC, OGG, MP3; tracks, to find the catalogue row
Writes  recordings (merged; files that are gone are marked removed), quarantine

    ./spark-submit.sh ingest_recordings --lake /data/lake --data-set mine --manifest m.csv --audio-root audio
    ./spark-submit.sh ingest_recordings --lake /data/lake --data-set c80 --audio-root covers80 --layout covers80
"""

from __future__ import annotations

import argparse

from covers.audio import manifest, quarantine_table, recordings_table
from covers.catalog.matching_table import fill_track_ids
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser
from covers.io.lake import Lake
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.recordings import RECORDINGS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--data-set", required=True, metavar="NAME", help="name of this set of files"
    )
    parser.add_argument("--manifest", metavar="CSV", help="columns path, recording_id, work_id, …")
    parser.add_argument(
        "--audio-root", metavar="FOLDER", help="where the manifest's paths begin, or the tree"
    )
    parser.add_argument(
        "--layout", choices=manifest.LAYOUTS, default="folders", help="without a manifest"
    )
    parser.add_argument("--split", choices=manifest.SPLITS, default="by-work")
    args = parser.parse_args(argv)
    if not (args.manifest or args.audio_root):
        parser.error("one of --manifest and --audio-root is required")
    return args


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """List, open, hash, register."""
    listed = manifest.list_files(args.manifest, args.audio_root, args.data_set, args.layout)
    rows = recordings_table.listed_rows(lake.spark, listed)
    outcomes = recordings_table.inspect_files(rows, split=args.split, seed=args.seed).persist()
    valid = fill_track_ids(lake, recordings_table.valid_rows(outcomes))
    removed = recordings_table.removed_rows(lake, valid, args.data_set)
    lake.upsert(valid.unionByName(removed), RECORDINGS)
    rejected = quarantine_table.quarantine_rows(outcomes, "ingest_recordings")
    lake.n_quarantined = lake.upsert(rejected, QUARANTINE)
    reasons = rejected.groupBy("reason").count().collect()
    counts = {"read": len(listed), "recordings": valid.count(), "quarantined": lake.n_quarantined}
    return counts | {
        "removed": removed.count(),
        "reasons": [{"reason": r[0], "files": r[1]} for r in reasons],
    }


def fingerprint(args: argparse.Namespace) -> dict[str, str]:
    """Return a hash over the listed files' names, sizes and times."""
    listed = manifest.list_files(args.manifest, args.audio_root, args.data_set, args.layout)
    return {"files": manifest.fingerprint(listed)}


JOB = Job("ingest_recordings", parse_args, run, (), (RECORDINGS, QUARANTINE), fingerprint)

if __name__ == "__main__":
    JOB.main()
