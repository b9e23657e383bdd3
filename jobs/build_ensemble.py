"""build_ensemble: put covernets that were trained apart under one head, whitened by training recordings.

Reads   models, spectrograms, recordings
Writes  models (the ensemble, for use)

    ./spark-submit.sh build_ensemble --lake /data/lake --models covernet-1 covernet-2 other.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors.torch import save_file

from covers.cli.job import Job, Summary
from covers.cli.parser import job_parser, positive
from covers.io.files import content_id, sha256_of
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, register
from covers.models import ensemble, registry
from covers.schemas.models import MODELS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.table import Table
from covers.training.ensemble_tables import training_crops


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--models", nargs="+", required=True, metavar="MODEL", help="ids, files, latest or shipped"
    )
    parser.add_argument(
        "--recordings", type=positive, default=4096, metavar="N",
        help="of split train, to whiten the head by (default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Join the backbones, whiten the head, register."""
    models = [registry.resolve(lake, name) for name in args.models]
    config = ensemble.ensemble_config(models)
    crops = training_crops(lake, config["crop_s"], args.recordings, args.seed)
    network = ensemble.build_ensemble(models, crops)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "covernet.safetensors"
        save_file(network.state_dict(), path)
        model_id = content_id("covernet", sha256_of(path))
        metrics = {"backbones": len(network.backbones), "recordings": len(crops)}
        uri = register(lake, ModelRecord(model_id, "covernet", str(path), config, metrics))
    return {"model": model_id, **metrics, "file": uri}


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables: not every model is in one."""
    return (SPECTROGRAMS, RECORDINGS, *{t for m in args.models for t in registry.tables_of(m)})


JOB = Job("build_ensemble", parse_args, run, reads, (MODELS,))

if __name__ == "__main__":
    JOB.main()
