"""synthesize_versions: make unlike versions of songs from their notes, as audio or straight as chroma.

Reads   a folder of POP909 songs (MIDI, chords, beats)
Writes  form audio: OUT/manifest.csv, OUT/audio/…; form direct: recordings, spectrograms
        (one song a Spark task; the same seed, the same bytes)

    ./spark-submit.sh synthesize_versions --lake /data/lake --songs POP909 --form direct --versions 8
    ./spark-submit.sh synthesize_versions --lake /data/lake --songs POP909 --form audio --out versions
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pyspark.sql import functions as F

from lib.audio import recordings, synthesis
from lib.audio.recordings import split_of
from lib.io.errors import InputError
from lib.io.job import Job, Summary, job_parser, positive
from lib.io.lake import Lake
from schemas.recordings import RECORDINGS
from schemas.spectrograms import SPECTROGRAMS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--songs", required=True, metavar="FOLDER", help="unpacked POP909")
    parser.add_argument(
        "--form", choices=("audio", "direct"), default="audio", help="default: %(default)s"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the audio goes")
    parser.add_argument(
        "--data-set", default="versions", metavar="NAME", help="of form direct (default: versions)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N songs")
    parser.add_argument(
        "--versions", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--max-phrases", type=positive, metavar="N", help="phrases a version (default: all)"
    )
    args = parser.parse_args(argv)
    if args.form == "audio" and not args.out:
        parser.error("--out is required with --form audio")
    return args


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Make the versions, name the songs that could not be read."""
    folders = synthesis.pop909_folders(args.songs, args.limit)
    names = [(folder, split_of(Path(folder).name, args.seed)) for folder in folders]
    how = {"n_versions": args.versions, "max_phrases": args.max_phrases, "seed": args.seed}
    make = _write_tables if args.form == "direct" else _write_audio
    made, refused = make(lake, args, names, how)
    if not made:
        raise InputError(f"songs must be readable, got none of {len(folders)}; first: {refused[0]}")
    return {"songs": len(folders), "recordings": made, "refused": refused}


def _write_audio(lake: Lake, args: argparse.Namespace, names: list, how: dict) -> tuple[int, list]:
    out = Path(args.out).resolve()
    rows = synthesis.synthesize(lake.spark, synthesis.load_pop909, names, out, **how).collect()
    made, refused = synthesis.made_and_refused(rows)
    if made:
        synthesis.write_manifest(made, out)
    return len(made), refused


def _write_tables(lake: Lake, args: argparse.Namespace, names: list, how: dict) -> tuple[int, list]:
    load, data_set = synthesis.load_pop909, args.data_set
    rows = synthesis.write_directly(lake.spark, load, names, data_set, **how).persist()
    made = rows.where("reason IS NULL")
    found = made.select(*RECORDINGS.column_names)
    lake.ensure(RECORDINGS)
    gone = recordings.removed(lake.spark.table(lake.identifier(RECORDINGS)), found, data_set)
    if made.count():
        lake.upsert(made.select(*SPECTROGRAMS.column_names), SPECTROGRAMS)
        lake.upsert(found.unionByName(gone), RECORDINGS)
    refused = rows.where("reason IS NOT NULL").select(F.col("work_id").alias("song"), "reason")
    return made.count(), [r.asDict() for r in refused.collect()]


def files(args: argparse.Namespace) -> dict[str, str]:
    """Return hashes of the songs, and of the manifest where there is to be one."""
    made = synthesis.manifest_hash(args.out) if args.form == "audio" else {}
    return made | {"songs": synthesis.songs_hash(args.songs, args.limit)}


JOB = Job("synthesize_versions", parse_args, run, (), (RECORDINGS, SPECTROGRAMS), files)

if __name__ == "__main__":
    JOB.main()
