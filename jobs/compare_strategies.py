"""compare_strategies: which triplets teach a network to find covers? Train on each, judge on one set.

Reads   triplets, spectrograms, recordings
Writes  models, training_epochs, evaluations (one leaderboard with intervals)

    ./spark-submit.sh compare_strategies --lake /data/lake --data-set demo --networks covernet cnn
"""

from __future__ import annotations

import argparse

from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive
from covers.evaluation.benchmark import compare
from covers.io.lake import Lake
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS
from covers.training.config import BACKENDS, PRESETS
from covers.triplets.sampling import MIX, STRATEGIES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--data-set", required=True, metavar="NAME", help="judge: its test recordings"
    )
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=[*MIX, "mix"])
    parser.add_argument("--networks", nargs="+", choices=sorted(PRESETS), default=["covernet"])
    parser.add_argument(
        "--epochs", type=positive, default=4, metavar="N", help="budget (default: 4)"
    )
    parser.add_argument(
        "--crop", type=float, metavar="S", help="seconds of audio a training example"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="horovod")
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="ranks (default: 2)"
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train every network on every strategy with one budget and seed; judge all together."""
    rows, leaderboard = compare(lake, args)
    lake.upsert_rows(rows, EVALUATIONS)
    return {"judged on": args.data_set, "epochs each": args.epochs, "leaderboard": leaderboard}


READS = (TRIPLETS, SPECTROGRAMS, RECORDINGS)
JOB = Job("compare_strategies", parse_args, run, READS, (MODELS, TRAINING_EPOCHS, EVALUATIONS))

if __name__ == "__main__":
    JOB.main()
