"""synthesize_versions: make unlike versions of songs from their notes, as audio or straight as chroma.

Reads   a folder of songs: POP909's (MIDI, chords, beats), or any MIDI files (chords are estimated)
Writes  form audio: OUT/manifest.csv, OUT/audio/…; form direct: recordings, spectrograms
        (one song a Spark task; the same seed, the same bytes)

    ./spark-submit.sh synthesize_versions --lake /data/lake --songs POP909 --form direct --versions 8
    ./spark-submit.sh synthesize_versions --lake /data/lake --songs POP909 --form audio --out versions \
      --fonts all
"""

from __future__ import annotations

import argparse
from pathlib import Path

from covers.audio.manifest import SPLITS, assign_split
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive
from covers.errors import InputError
from covers.io.lake import Lake
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.synthesis import corpus, recombine, soundfont, tables, version_sets


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--songs", required=True, metavar="FOLDER", help="unpacked POP909, or MIDI files"
    )
    parser.add_argument(
        "--form", choices=("audio", "direct"), default="audio", help="default: %(default)s"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the audio goes")
    parser.add_argument(
        "--data-set",
        metavar="NAME",
        help="of form direct (default: versions, or mixed with --mixed)",
    )
    parser.add_argument(
        "--fonts", nargs="+", default=[], metavar="FONT",
        help="sound fonts that fluidsynth plays the audio with: files, names of installed ones, or "
        "all (default: the project's own synthesiser)",
    )  # fmt: skip
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N songs")
    parser.add_argument(
        "--versions", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--max-phrases", type=positive, metavar="N", help="phrases a version (default: all)"
    )
    parser.add_argument(
        "--mixed", type=positive, metavar="N",
        help="versions not of the songs, but of N new ones, put together from phrases of those that "
        "are in split train with this --seed",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=SPLITS, default="by-work",
        help="of all songs; by-work keeps songs that are alike together (default: %(default)s)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    if args.form == "audio" and not args.out:
        parser.error("--out is required with --form audio")
    if args.form == "direct" and args.fonts:
        parser.error(f"--fonts is for --form audio, got {args.fonts} with --form direct")
    if args.mixed and args.split not in ("by-work", "train"):
        parser.error(f"--mixed is for training, got --split {args.split}; leave it, or take train")
    args.data_set = args.data_set or ("mixed" if args.mixed else "versions")
    return args


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Make the versions, name the songs that could not be read."""
    songs, load = corpus.found(args.songs, args.limit), corpus.loader(args.songs)
    fonts = soundfont.checked(args.fonts)
    family = {s: s for s in songs}
    if args.split == "by-work":
        family = corpus.families(lake.spark, load, songs)
    names = [(s, assign_split(Path(family[s]).name, args.seed, args.split)) for s in songs]
    if args.mixed:
        names, load = recombine.of_songs(names, load, args.mixed, args.seed)
    how = {"n_versions": args.versions, "max_phrases": args.max_phrases, "seed": args.seed}
    if args.form == "direct":
        made, refused = version_sets.as_tables(lake, args.data_set, load, names, how)
    else:
        out = Path(args.out).resolve()
        made, refused = version_sets.as_audio(lake, out, load, names, how | {"fonts": fonts})
    if not made:
        raise InputError(f"songs must be readable, got none of {len(names)}; first: {refused[0]}")
    n_alike = sum(song != first for song, first in family.items())
    return {"songs": len(names), "alike": n_alike, "recordings": made, "refused": refused}


def files(args: argparse.Namespace) -> dict[str, str]:
    """Return hashes of the songs, and of the manifest where there is to be one."""
    made = tables.manifest_hash(args.out) if args.form == "audio" else {}
    return made | {"songs": corpus.hash_of(args.songs, args.limit)}


JOB = Job("synthesize_versions", parse_args, run, (), (RECORDINGS, SPECTROGRAMS), files)

if __name__ == "__main__":
    JOB.main()
