"""train_cluster_classifier: an SGD classifier learns the clusters in batches of 500.

Reads   track_features, cluster_models, track_clusters
Writes  models (kind classifier), classifier_fits (figures after every fit)

    ./spark-submit.sh train_cluster_classifier --lake /data/lake
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path

from lib.catalog import classifier
from lib.catalog.cluster_rows import find_model
from lib.io.job import Job, Summary, job_parser, positive
from lib.io.lake import Lake
from lib.io.models import Model, model_id_of, register
from schemas.classifier_fits import CLASSIFIER_FITS
from schemas.cluster_models import CLUSTER_MODELS
from schemas.models import MODELS
from schemas.track_clusters import TRACK_CLUSTERS
from schemas.track_features import TRACK_FEATURES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--preset", choices=classifier.PRESETS, default="iterative")
    parser.add_argument("--cluster-model", metavar="ID", help="default: the first one")
    parser.add_argument(
        "--epochs", type=positive, default=10, metavar="N", help="default: %(default)s"
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train batch by batch, save the model as skops."""
    clusters = find_model(lake, args.cluster_model)
    config = classifier.ClassifierConfig(args.preset, epochs=args.epochs, seed=args.seed)
    which = {"encoding": clusters.encoding, "cluster_model_id": clusters.cluster_model_id}
    rows = classifier.labelled(
        lake.read(TRACK_FEATURES), lake.read(TRACK_CLUSTERS), config, **which
    )
    model, fits = classifier.train(rows, len(clusters.centers), config)
    settings = asdict(config) | which
    model_id = model_id_of("classifier", settings, dict(lake.inputs))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.skops"
        classifier.save(model, path)
        register(lake, Model(model_id, "classifier", str(path), settings, fits[-1]))
    lake.upsert_rows(classifier.fit_rows(model_id, config.preset, fits), CLASSIFIER_FITS)
    shown = [{"after": when, **fits[i]} for when, i in {"first fit": 1, "last fit": -1}.items()]
    labels = clusters.cluster_model_id
    return {"model": model_id, "labels": labels, "fits": len(fits) // 2, "test set": shown}


READS = (TRACK_FEATURES, CLUSTER_MODELS, TRACK_CLUSTERS)
JOB = Job("train_cluster_classifier", parse_args, run, READS, (MODELS, CLASSIFIER_FITS))

if __name__ == "__main__":
    JOB.main()
