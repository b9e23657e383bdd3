"""train_similarity_regressor: XGBoost learns the similarity to one song from the six attributes.

Reads   track_similarity
Writes  models (kind regressor), evaluations, a plot

    ./spark-submit.sh train_similarity_regressor --lake /data/lake --plot importance.png
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

from pyspark.sql import functions as F

from covers.catalog import plots, regressor_table
from covers.catalog.similarity_table import METHODS
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive, renamed_flags
from covers.io.files import content_id
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, register
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.track_similarity import TRACK_SIMILARITY


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--seed-track", metavar="ID", help="default: the first one scored")
    parser.add_argument("--method", choices=METHODS, default="writeup", help="default: %(default)s")
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="Spark tasks")
    parser.add_argument("--plot", metavar="FILE", help="PNG: importance of the attributes")
    renamed_flags(parser, {"--picture": "--plot", "--num-workers": "--workers"})
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train, and evaluate on held-out tracks."""
    scored = lake.read(TRACK_SIMILARITY).where(f"method = '{args.method}'")
    seed_track = args.seed_track or regressor_table.first_seed(scored)
    config = regressor_table.RegressorConfig(seed=args.seed, num_workers=args.workers)
    model_id = content_id("regressor", asdict(config), seed_track, dict(lake.inputs))
    rows = scored.where(F.col("seed_track_id") == seed_track)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "booster.json"
        slots = lake.spark.sparkContext.defaultParallelism
        result = regressor_table.train(rows, config, slots=slots, save_to=path)
        register(lake, ModelRecord(model_id, "regressor", str(path), asdict(config), result))
    lake.upsert_rows(regressor_table.evaluation_rows(model_id, seed_track, result), EVALUATIONS)
    listed = [{"model": name, **scores} for name, scores in result["scores"].items()]
    plots.save(plots.importance(result["importance"]), args.plot)
    importance = ", ".join(f"{k} {v:.0%}" for k, v in result["importance"].items())
    return {
        "model": model_id,
        "n_test": result["n_test"],
        "importance": importance,
        "note": regressor_table.NOTE,
        "test_scores": listed,
    }


JOB = Job("train_similarity_regressor", parse_args, run, (TRACK_SIMILARITY,), (MODELS, EVALUATIONS))

if __name__ == "__main__":
    JOB.main()
