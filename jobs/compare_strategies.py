"""compare_strategies: train a network on each kind of triplets and evaluate all on one data set.

Reads   triplets, spectrograms, recordings
Writes  models, training_epochs, evaluations (one leaderboard with intervals)

    ./spark-submit.sh compare_strategies --lake /data/lake --data-set demo --architectures covernet cnn
"""

from __future__ import annotations

import argparse

from covers.cli.console import Summary, print_progress
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive, renamed_flags
from covers.evaluation.benchmark import BenchmarkConfig, compare_strategies
from covers.io.lake import Lake
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS
from covers.training.config import BACKENDS, PRESETS
from covers.training.run import LaunchConfig
from covers.triplets.config import MIX_SHARES, STRATEGIES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--data-set", required=True, metavar="NAME", help="evaluate on its test recordings"
    )
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=[*MIX_SHARES, "mix"])
    parser.add_argument("--architectures", nargs="+", choices=sorted(PRESETS), default=["covernet"])
    parser.add_argument(
        "--epochs", type=positive, default=4, metavar="N", help="of each training (default: 4)"
    )
    parser.add_argument(
        "--crop-seconds", type=float, metavar="S", help="length of a training example"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="horovod")
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="ranks (default: 2)"
    )
    renamed_flags(parser, {"--networks": "--architectures", "--crop": "--crop-seconds"})
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train every architecture on every strategy with the same epochs and seed; evaluate all."""
    config = BenchmarkConfig(
        args.data_set,
        args.architectures,
        args.strategies,
        args.epochs,
        args.seed,
        args.crop_seconds,
    )
    launching = LaunchConfig(args.seed, args.backend, args.workers, purpose="comparison")
    rows, leaderboard = compare_strategies(lake, config, launching, print_progress)
    lake.upsert_rows(rows, EVALUATIONS)
    return {"data_set": args.data_set, "epochs": args.epochs, "leaderboard": leaderboard}


READS = (TRIPLETS, SPECTROGRAMS, RECORDINGS)
JOB = Job("compare_strategies", parse_args, run, READS, (MODELS, TRAINING_EPOCHS, EVALUATIONS))

if __name__ == "__main__":
    JOB.main()
