"""synthesize_versions: make versions of songs from their notes, as audio or as symbolic features.

Reads   a folder of songs: POP909's (MIDI, chords, beats), or any MIDI files (chords are estimated)
Writes  form audio: OUT/manifest.csv, OUT/audio/…; form symbolic: recordings, spectrograms (chroma)
        (one song a Spark task; the same seed, the same bytes)

    ./spark-submit.sh synthesize_versions --lake /data/lake --songs POP909 --form symbolic --versions 8
    ./spark-submit.sh synthesize_versions --lake /data/lake --songs POP909 --form audio --out versions \
      --fonts all
"""

from __future__ import annotations

import argparse
from pathlib import Path

from covers.audio.manifest import SPLITS, assign_split
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import checked, job_parser, positive, renamed_flags
from covers.errors import InputError
from covers.io.lake import Lake
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.synthesis import corpus, recombine, soundfont, tables, version_files
from covers.synthesis.version_spec import SamplingConfig


def form(text: str) -> str:
    """Parse the form of the versions."""
    if text == "direct":
        raise ValueError("--form direct is now --form symbolic")
    if text not in ("audio", "symbolic"):
        raise ValueError(f"form must be audio or symbolic, got {text!r}")
    return text


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--songs", required=True, metavar="FOLDER", help="unpacked POP909, or MIDI files"
    )
    parser.add_argument(
        "--form",
        type=checked(form),
        default="audio",
        metavar="FORM",
        help="audio or symbolic: chroma of the notes, no audio (default: %(default)s)",
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the audio goes")
    parser.add_argument(
        "--data-set",
        metavar="NAME",
        help="of form symbolic (default: versions, or recombined with --recombined)",
    )
    parser.add_argument(
        "--fonts", nargs="+", default=[], metavar="FONT",
        help="soundfonts that fluidsynth plays the audio with: files, names of installed ones, or "
        "all (default: the project's own synthesizer)",
    )  # fmt: skip
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N songs")
    parser.add_argument(
        "--versions", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--max-phrases", type=positive, metavar="N", help="phrases a version (default: all)"
    )
    parser.add_argument(
        "--recombined", type=positive, metavar="N",
        help="versions of N new songs instead, recombined from phrases of those that are in split "
        "train with this --seed",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=SPLITS, default="by-work",
        help="of all songs; by-work keeps duplicate songs in one split (default: %(default)s)",
    )  # fmt: skip
    renamed_flags(parser, {"--mixed": "--recombined"})
    args = parser.parse_args(argv)
    if args.form == "audio" and not args.out:
        parser.error("--out is required with --form audio")
    if args.form == "symbolic" and args.fonts:
        parser.error(f"--fonts is for --form audio, got {args.fonts} with --form symbolic")
    if args.recombined and args.split not in ("by-work", "train"):
        parser.error(f"--recombined is for training, got --split {args.split}; use --split train")
    args.data_set = args.data_set or ("recombined" if args.recombined else "versions")
    return args


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Make the versions; list the songs that cannot be read."""
    songs, load = corpus.find_songs(args.songs, args.limit), corpus.song_loader(args.songs)
    soundfonts = soundfont.check_soundfonts(args.fonts)
    first = {s: s for s in songs}
    if args.split == "by-work":
        first = tables.group_duplicates(lake.spark, load, songs)
    names = [(s, assign_split(Path(first[s]).name, args.seed, args.split)) for s in songs]
    if args.recombined:
        names, load = recombine.plan_recombinations(names, load, args.recombined, args.seed)
    config = SamplingConfig(args.versions, args.seed, args.max_phrases, soundfonts)
    if args.form == "symbolic":
        n_made, rejected = tables.write_symbolic_versions(lake, args.data_set, load, names, config)
    else:
        out = Path(args.out).resolve()
        versions, rejected = tables.write_audio_versions(lake.spark, out, load, names, config)
        n_made = len(versions)
    if not n_made:
        raise InputError(f"songs must be readable, got none of {len(names)}; first: {rejected[0]}")
    n_duplicates = sum(song != original for song, original in first.items())
    return {
        "songs": len(names),
        "duplicates": n_duplicates,
        "recordings": n_made,
        "rejected": rejected,
    }


def files(args: argparse.Namespace) -> dict[str, str]:
    """Return hashes of the songs, and of the manifest of form audio."""
    manifest = version_files.manifest_hash(args.out) if args.form == "audio" else {}
    return manifest | {"songs": corpus.hash_songs(args.songs, args.limit)}


JOB = Job("synthesize_versions", parse_args, run, (), (RECORDINGS, SPECTROGRAMS), files)

if __name__ == "__main__":
    JOB.main()
