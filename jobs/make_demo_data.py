"""make_demo_data: make a catalogue and songs composed by the project, each in several versions.

Reads   nothing
Writes  OUT/catalog.csv, OUT/manifest.csv, OUT/audio/…, OUT/midi/…, OUT/query.wav; one row and
        one file are broken

    ./spark-submit.sh make_demo_data --lake demo/lake --out demo/data
"""

from __future__ import annotations

import argparse
from pathlib import Path

from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive
from covers.io.lake import Lake
from covers.synthesis import demo, tables, version_files
from covers.synthesis.version_spec import SamplingConfig


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the data goes")
    parser.add_argument(
        "--works", type=positive, default=48, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--versions", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--tracks", type=positive, default=3000, metavar="N", help="default: %(default)s"
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Compose, render, write."""
    out = Path(args.out).resolve()
    config = SamplingConfig(args.versions, args.seed, max_phrases=3, is_easy=True)
    songs, load = demo.demo_splits(args.works), demo.demo_loader(args.seed)
    versions, _ = tables.write_audio_versions(lake.spark, out, load, songs, config)
    catalog = demo.demo_catalog(versions, args.tracks, args.seed)
    catalog.to_csv(out / "catalog.csv", index=False)
    demo.add_broken_examples(out)
    demo.add_midi_songs(out, args.seed)
    query = demo.add_query(out, config)
    return {
        "songs": args.works,
        "recordings": len(versions),
        "tracks": len(catalog),
        "folder": str(out),
        "query": str(query),
    }


JOB = Job(
    "make_demo_data", parse_args, run, files=lambda args: version_files.manifest_hash(args.out)
)

if __name__ == "__main__":
    JOB.main()
