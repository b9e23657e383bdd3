"""train_siamese: train a siamese network on triplets across workers by Horovod.

Reads   triplets, spectrograms (both pinned to one version)
Writes  models, training_epochs; checkpoints in --work-folder; TensorBoard and MLflow in --logs

    ./spark-submit.sh train_siamese --lake /data/lake --preset covernet --strategy clique --workers 2
"""

from __future__ import annotations

import argparse

from covers.cli.console import Summary, print_progress
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive
from covers.io.lake import Lake
from covers.schemas.models import MODELS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS
from covers.training import config
from covers.training.run import Request, train_models


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--preset", choices=sorted(config.PRESETS), default="covernet")
    parser.add_argument(
        "--strategy", default="clique", help="triplets to train on (default: %(default)s)"
    )
    parser.add_argument("--backend", choices=config.BACKENDS, default="horovod")
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="ranks (default: 2)"
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="default: the preset's")
    parser.add_argument(
        "--batch-size", type=positive, metavar="N", help="triplets of all ranks together"
    )
    parser.add_argument(
        "--parts", type=positive, metavar="N",
        help="of a batch, each compared for itself, the same for any --workers (default: one a worker)",
    )  # fmt: skip
    parser.add_argument("--learning-rate", type=float, metavar="X")
    parser.add_argument("--loss", choices=config.LOSSES)
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="X",
        help="of supcon, ntxent, clews and classes (default: 0.1)",
    )
    parser.add_argument(
        "--class-weight", type=float, metavar="X", help="of cross-entropy over works; 0 = none"
    )
    parser.add_argument(
        "--pairs-per-work",
        type=positive,
        metavar="N",
        help="together in a batch; 1 = plain triplets",
    )
    parser.add_argument(
        "--crop", type=float, metavar="S", help="seconds of audio a training example"
    )
    parser.add_argument(
        "--segments",
        type=positive,
        metavar="N",
        help="that --loss clews cuts a crop in (default: 3)",
    )
    parser.add_argument(
        "--weights",
        metavar="PATH",
        help="to begin with: covernet's file; for ResNet-18 ImageNet's, or imagenet to fetch them",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    parser.add_argument(
        "--work-folder", metavar="FOLDER", help="checkpoints (shared by all workers)"
    )
    parser.add_argument(
        "--checkpoint-steps", type=int, default=200, metavar="N",
        help="between checkpoints in an epoch; 0 = at its end alone (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--stall-timeout", type=float, default=100.0, metavar="S",
        help="seconds of silence until the run is ended (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument("--schedule", choices=config.SCHEDULES, help="of the learning rate")
    parser.add_argument(
        "--patience", type=positive, metavar="N",
        help="end when validation accuracy has not risen for N epochs (default: never)",
    )  # fmt: skip
    parser.add_argument(
        "--mixed-precision", action=argparse.BooleanOptionalAction, default=True,
        help="bfloat16 where the device has it, on a CPU with --compile (default: yes)",
    )  # fmt: skip
    parser.add_argument(
        "--compile", action="store_true", help="the network, for this machine: minutes, then faster steps"
    )  # fmt: skip
    parser.add_argument("--logs", metavar="FOLDER", help="default: logs in the work folder")
    parser.add_argument("--mlflow", metavar="URI", help="MLflow server (default: files in --logs)")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train, register, show the last epoch."""
    settings = config.preset(
        args.preset, epochs=args.epochs, batch_size=args.batch_size, loss=args.loss, seed=args.seed,
        learning_rate=args.learning_rate, crop_s=args.crop, segments=args.segments, weights=args.weights,
        temperature=args.temperature, class_weight=args.class_weight, pairs_per_work=args.pairs_per_work,
        schedule=args.schedule, patience=args.patience, parts=args.parts,
        mixed_precision=args.mixed_precision, compile=args.compile,
    )  # fmt: skip
    request = Request(
        args.seed, args.backend, args.workers, args.resume, args.stall_timeout, args.work_folder,
        checkpoint_steps=args.checkpoint_steps, logs=args.logs, mlflow=args.mlflow,
    )  # fmt: skip
    (trained,) = train_models(lake, [(settings, args.strategy)], request, print_progress)
    names = (
        "epoch", "loss", "validation_loss", "validation_nn_accuracy", "embedding_std", "n_ranks",
        "seconds",
    )  # fmt: skip
    last = trained.epochs[-1]
    seen = f"tensorboard --logdir {request.log_folder}"
    return {
        "model": trained.model_id,
        "to look at": seen,
        "last epoch": [{name: last[name] for name in names}],
    }


JOB = Job("train_siamese", parse_args, run, (TRIPLETS, SPECTROGRAMS), (MODELS, TRAINING_EPOCHS))

if __name__ == "__main__":
    JOB.main()
