"""train_cluster_classifier: an SGD classifier learns the clusters in batches of 500.

Reads   track_features, cluster_models, track_clusters, tracks
Writes  models (skops and a card), classifier_fits, evaluations (does it overfit?), pictures

    ./spark-submit.sh train_cluster_classifier --lake /data/lake --preset quarters-4 --picture fits.png
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from pyspark.storagelevel import StorageLevel

from covers.catalog import classifier, model_card, overfitting, plots
from covers.catalog.cluster_tables import find_model
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive
from covers.io.lake import Lake
from covers.io.model_store import model_id_of
from covers.schemas.classifier_fits import CLASSIFIER_FITS
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.tracks import TRACKS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--preset", choices=list(classifier.PRESETS), default="iterative",
        help="how tracks are split and batched: docs/catalogue.md (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--cluster-model", metavar="ID", help="default: the first one")
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help="passes over each part (default: the preset's)"
    )
    parser.add_argument("--picture", metavar="FILE", help="PNG: the figures after every fit")
    parser.add_argument(
        "--overfitting-picture", metavar="FILE", help="PNG: learning curve and checks"
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train batch by batch, look for overfitting, save the model as skops beside its card."""
    clusters = find_model(lake, args.cluster_model)
    config = classifier.config_of(args.preset, epochs=args.epochs, seed=args.seed)
    which = {"encoding": clusters.encoding, "cluster_model_id": clusters.cluster_model_id}
    features, labels = lake.read(TRACK_FEATURES), lake.read(TRACK_CLUSTERS)
    rows = classifier.labelled(features, labels, config, **which).persist(StorageLevel.DISK_ONLY)
    k = len(clusters.centers)
    model, fits = classifier.train(rows, k, config)
    result = classifier.judge(rows, model, k, config)
    sample = overfitting.sampled(rows, lake.read(TRACKS), config)
    checks = overfitting.checks(sample, clusters.centers, config)
    settings, listed = asdict(config) | which, overfitting.listed(checks)
    model_id = model_id_of("classifier", settings, dict(lake.inputs))
    model_card.keep(lake, model, model_card.Facts(model_id, settings, result, listed))
    lake.upsert_rows(classifier.fit_rows(model_id, config.preset, fits), CLASSIFIER_FITS)
    lake.upsert_rows(overfitting.evaluation_rows(model_id, which, checks), EVALUATIONS)
    plots.write(plots.fits(fits), args.picture)
    plots.write(plots.overfitting(listed), args.overfitting_picture)
    return {"model": model_id, **which, "fits": len(fits) // 2, **result, "does it overfit": listed}


READS = (TRACK_FEATURES, CLUSTER_MODELS, TRACK_CLUSTERS, TRACKS)
WRITES = (MODELS, CLASSIFIER_FITS, EVALUATIONS)
JOB = Job("train_cluster_classifier", parse_args, run, READS, WRITES)

if __name__ == "__main__":
    JOB.main()
