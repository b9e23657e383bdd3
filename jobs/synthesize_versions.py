"""synthesize_versions: make unlike versions of songs from their notes, as audio with a manifest.

Reads   a folder of POP909 songs (MIDI, chords, beats)
Writes  OUT/manifest.csv, OUT/audio/… (one song a Spark task; the same seed, the same bytes)

    ./spark-submit.sh synthesize_versions --lake /data/lake --songs POP909 --out versions
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.audio import synthesis
from lib.audio.recordings import split_of
from lib.io.errors import InputError
from lib.io.job import Job, Summary, job_parser, positive
from lib.io.lake import Lake


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--songs", required=True, metavar="FOLDER", help="unpacked POP909")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the audio goes")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N songs")
    parser.add_argument(
        "--versions", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--max-phrases", type=positive, metavar="N", help="phrases a version (default: all)"
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Render the versions, write the manifest, name the songs that could not be read."""
    out = Path(args.out).resolve()
    folders = synthesis.pop909_folders(args.songs, args.limit)
    names = [(folder, split_of(Path(folder).name, args.seed)) for folder in folders]
    rows = synthesis.synthesize(
        lake.spark, synthesis.load_pop909, names, out,
        n_versions=args.versions, max_phrases=args.max_phrases, seed=args.seed,
    ).collect()  # fmt: skip
    made, refused = synthesis.made_and_refused(rows)
    if not made:
        raise InputError(f"songs must be readable, got none of {len(folders)}; first: {refused[0]}")
    synthesis.write_manifest(made, out)
    return {"songs": len(folders), "recordings": len(made), "refused": refused, "folder": str(out)}


JOB = Job(
    "synthesize_versions", parse_args, run, files=lambda args: synthesis.manifest_hash(args.out)
)

if __name__ == "__main__":
    JOB.main()
