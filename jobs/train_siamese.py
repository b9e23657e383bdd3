"""train_siamese: train a siamese network on triplets across workers by Horovod.

Reads   triplets, spectrograms (both pinned to one version)
Writes  models, training_epochs; checkpoints, TensorBoard and MLflow logs in --run-dir

    ./spark-submit.sh train_siamese --lake /data/lake --preset covernet --strategy clique --workers 2
    ./spark-submit.sh train_siamese --lake /data/lake --set micro_batches=4 --set patience=3

--set takes any setting of covers.training.config.TrainConfig, and stall_timeout_s (default 100),
checkpoint_steps (200; 0 = at an epoch's end alone) and mlflow_uri (default: files in --run-dir).
"""

from __future__ import annotations

import argparse

from covers.cli.console import Summary, print_progress
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive, renamed_flags
from covers.io.lake import Lake
from covers.schemas.models import MODELS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.training_epochs import TRAINING_EPOCHS
from covers.schemas.triplets import TRIPLETS
from covers.training.config import BACKENDS, LOSSES, PRESETS, TrainConfig
from covers.training.run import LaunchConfig, configure, train_models

METRICS = (
    "epoch", "loss", "validation_loss", "validation_triplet_accuracy", "embedding_std", "n_ranks", "seconds",
)  # fmt: skip
FLAGS = ("epochs", "batch_size", "learning_rate", "loss", "crop_s", "init_weights", "seed")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="covernet")
    parser.add_argument(
        "--strategy", default="clique", help="triplets to train on (default: %(default)s)"
    )
    parser.add_argument("--backend", choices=BACKENDS, default="horovod")
    parser.add_argument(
        "--workers", type=positive, default=2, metavar="N", help="ranks (default: 2)"
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="default: the preset's")
    parser.add_argument(
        "--batch-size", type=positive, metavar="N", help="triplets of all ranks together"
    )
    parser.add_argument("--learning-rate", type=float, metavar="X")
    parser.add_argument("--loss", choices=LOSSES)
    parser.add_argument(
        "--crop-seconds", dest="crop_s", type=float, metavar="S", help="length of an example"
    )
    parser.add_argument(
        "--init-weights", metavar="PATH",
        help="initial weights: CoverNet's; for ResNet-18 ImageNet's, or imagenet to fetch them",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="continue from the newest checkpoint")
    parser.add_argument(
        "--run-dir", metavar="FOLDER", help="checkpoints and logs, shared by all workers"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="any other setting, see above (repeatable)",
    )  # fmt: skip
    renamed_flags(parser, {
        "--parts": "--set micro_batches=N", "--temperature": "--set temperature=X",
        "--class-weight": "--set ce_loss_weight=X",
        "--pairs-per-work": "--set samples_per_class=N, twice the pairs (0 = plain triplets, was 1)",
        "--crop": "--crop-seconds", "--segments": "--set n_segments=N", "--weights": "--init-weights",
        "--work-folder": "--run-dir", "--logs": "--run-dir", "--mlflow": "--set mlflow_uri=URI",
        "--checkpoint-steps": "--set checkpoint_steps=N", "--schedule": "--set schedule=NAME",
        "--stall-timeout": "--set stall_timeout_s=S", "--patience": "--set patience=N",
        "--mixed-precision": "--set mixed_precision=true", "--compile": "--set compile=true",
        "--no-mixed-precision": "--set mixed_precision=false",
    })  # fmt: skip
    args = parser.parse_args(argv)
    try:
        configs_of(args)
    except ValueError as error:
        parser.error(str(error))
    return args


def configs_of(args: argparse.Namespace) -> tuple[TrainConfig, LaunchConfig]:
    """Return the settings of the training and of its launch."""
    launching = LaunchConfig(args.seed, args.backend, args.workers, args.resume, args.run_dir)
    flags = {key: getattr(args, key) for key in FLAGS}
    return configure(args.preset, flags, args.set, launching)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train, register, show the last epoch."""
    config, launching = configs_of(args)
    (trained,) = train_models(lake, [(config, args.strategy)], launching, print_progress)
    return {
        "model": trained.model_id,
        "tensorboard": f"tensorboard --logdir {launching.log_folder}",
        "last_epoch": [{name: trained.epochs[-1][name] for name in METRICS}],
    }


JOB = Job("train_siamese", parse_args, run, (TRIPLETS, SPECTROGRAMS), (MODELS, TRAINING_EPOCHS))

if __name__ == "__main__":
    JOB.main()
