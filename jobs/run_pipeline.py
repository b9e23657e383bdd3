r"""run_pipeline: every step from a catalogue and audio to the report; those that are up to date are skipped.

Reads   a catalogue, audio or songs (or demo data)
Writes  every table, OUT/report-NAME.html

    ./spark-submit.sh run_pipeline --lake demo/lake --out demo --demo
    ./spark-submit.sh run_pipeline --lake /data/lake --out /data/out --catalog "Music Info.csv" \
        --songs POP909 --evaluate covers80=manifest.csv,audio
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from covers import jobs
from covers.cli import pipeline, runner
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive, renamed_flags
from covers.io.lake import Lake
from covers.training.config import PRESETS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="synthesized audio, reports")
    parser.add_argument("--demo", action="store_true", help="make demo data and train on it")
    parser.add_argument(
        "--demo-works", type=positive, default=48, metavar="N", help="songs (default: %(default)s)"
    )
    parser.add_argument(
        "--catalog", nargs="+", metavar="PATH", help="CSV files in the Music Info format"
    )
    parser.add_argument("--songs", metavar="FOLDER", help="POP909, to make training versions from")
    parser.add_argument(
        "--form",
        choices=("symbolic", "audio"),
        default="symbolic",
        help="of the versions of --songs",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N songs")
    parser.add_argument(
        "--versions", type=positive, default=4, metavar="N", help="a song (default: 4)"
    )
    parser.add_argument(
        "--max-phrases", type=positive, metavar="N", help="of a version (default: all)"
    )
    parser.add_argument(
        "--train-on", nargs="+", metavar="NAME=CSV[,ROOT]", help="your training recordings"
    )
    parser.add_argument(
        "--evaluate", nargs="+", metavar="NAME=CSV[,ROOT]", help="recordings only to evaluate on"
    )
    parser.add_argument(
        "--title", default=None, metavar="TEXT", help="song for the similarity scores"
    )
    parser.add_argument("--artist", default=None, metavar="TEXT")
    parser.add_argument(
        "--per-anchor", type=positive, default=4, metavar="N", help="triplets (default: 4)"
    )
    parser.add_argument(
        "--epochs", type=positive, default=12, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--crop-seconds", type=float, metavar="S", help="seconds a training example"
    )
    parser.add_argument(
        "--compare-epochs", type=positive, default=3, metavar="N", help="default: 3"
    )
    parser.add_argument(
        "--compare-architectures", nargs="+", choices=sorted(PRESETS), default=["covernet"]
    )
    parser.add_argument("--classifier-epochs", type=positive, default=10, metavar="N")
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="ranks (default: 2)"
    )
    renamed_flags(parser, {
        "--work": "--out", "--audio": "--train-on", "--song-limit": "--limit",
        "--crop": "--crop-seconds", "--compare-networks": "--compare-architectures",
    })  # fmt: skip
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Run the steps; return what each did, the leaderboard and the reports."""
    common = ["--lake", args.lake, "--seed", str(args.seed)]
    common += ["--max-quarantined", str(args.max_quarantined)]
    common += ["--files", args.files] if args.files else []
    steps = runner.run_steps(lake, pipeline.steps(config_of(args)), common, jobs.load)
    reports = sorted(Path(args.out).resolve().glob("report-*.html"))
    return {
        "steps": steps,
        "leaderboard": runner.leaderboard(lake),
        "reports": ", ".join(map(str, reports)) or "none",
    }


def config_of(args: argparse.Namespace) -> pipeline.PipelineConfig:
    """Return the arguments as a pipeline's configuration."""
    given = {field.name: getattr(args, field.name) for field in fields(pipeline.PipelineConfig)}
    for name in ("train_on", "evaluate"):
        given[name] = map(pipeline.parse_data_set, given[name] or ())
    for name in ("train_on", "evaluate", "catalog", "compare_architectures"):
        given[name] = tuple(given[name] or ())
    return pipeline.PipelineConfig(**given)


JOB = Job("run_pipeline", parse_args, run)

if __name__ == "__main__":
    JOB.main()
