"""ingest_recordings: register audio files by a manifest or a folder tree; broken ones are set aside.

Reads   a manifest CSV or a folder of WAV, FLAC, OGG, MP3; tracks, to find the catalogue row
Writes  recordings (merged; files that are gone are marked removed), quarantine

    ./spark-submit.sh ingest_recordings --lake /data/lake --data-set mine --manifest m.csv --audio-root audio
    ./spark-submit.sh ingest_recordings --lake /data/lake --data-set c80 --audio-root covers80 --layout covers80
"""

from __future__ import annotations

import argparse

from covers.audio import quarantine_table, recordings_table
from covers.catalog.matching import with_track_ids
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
        "--layout", choices=recordings_table.LAYOUTS, default="folders", help="without a manifest"
    )
    parser.add_argument("--split", choices=recordings_table.SPLITS, default="by-work")
    args = parser.parse_args(argv)
    if not (args.manifest or args.audio_root):
        parser.error("one of --manifest and --audio-root is required")
    return args


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """List, open, hash, register."""
    listed = recordings_table.listing(args.manifest, args.audio_root, args.data_set, args.layout)
    frame = recordings_table.as_frame(lake.spark, listed)
    outcomes = recordings_table.inspect(frame, split=args.split, seed=args.seed).persist()
    found = with_track_ids(lake, recordings_table.good(outcomes))
    gone = recordings_table.removed(lake, found, args.data_set)
    lake.upsert(found.unionByName(gone), RECORDINGS)
    bad = quarantine_table.quarantine_rows(outcomes, "ingest_recordings")
    lake.n_quarantined = lake.upsert(bad, QUARANTINE)
    reasons = [{"reason": r[0], "files": r[1]} for r in bad.groupBy("reason").count().collect()]
    counts = {"read": len(listed), "recordings": found.count(), "quarantined": lake.n_quarantined}
    return counts | {"removed": gone.count(), "reasons": reasons}


def fingerprint(args: argparse.Namespace) -> dict[str, str]:
    """Return a hash over the listed files' names, sizes and times."""
    listed = recordings_table.listing(args.manifest, args.audio_root, args.data_set, args.layout)
    return {"files": recordings_table.fingerprint(listed)}


JOB = Job("ingest_recordings", parse_args, run, (), (RECORDINGS, QUARANTINE), fingerprint)

if __name__ == "__main__":
    JOB.main()
