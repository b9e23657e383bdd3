"""train_cluster_classifier: an SGD classifier learns the clusters in batches of 500.

Reads   track_features, cluster_models, track_clusters, tracks
Writes  models (skops and a card), classifier_fits, evaluations (overfitting checks), plots

    ./spark-submit.sh train_cluster_classifier --lake /data/lake --preset quarters-4 --plot fits.png
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from pyspark.storagelevel import StorageLevel

from covers.catalog import classifier, classifier_table, overfitting, plots
from covers.catalog.cluster_tables import find_model
from covers.catalog.model_card import CardContents
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive, renamed_flags
from covers.io.files import content_id
from covers.io.lake import Lake
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
        "--epochs",
        type=positive,
        metavar="N",
        help="passes over each section (default: the preset's)",
    )
    parser.add_argument("--plot", metavar="FILE", help="PNG: the metrics after every fit")
    parser.add_argument("--overfitting-plot", metavar="FILE", help="PNG: learning curve and checks")
    renamed_flags(parser, {"--picture": "--plot", "--overfitting-picture": "--overfitting-plot"})
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Train batch by batch, check for overfitting, save the model as skops with its card."""
    clusters = find_model(lake, args.cluster_model)
    config = classifier.config_of(args.preset, epochs=args.epochs, seed=args.seed)
    which = {"encoding": clusters.encoding, "cluster_model_id": clusters.cluster_model_id}
    features, labels = lake.read(TRACK_FEATURES), lake.read(TRACK_CLUSTERS)
    rows = classifier_table.labelled_tracks(features, labels, config, **which).persist(
        StorageLevel.DISK_ONLY
    )
    k = len(clusters.centers)
    model, fits = classifier_table.train(rows, k, config)
    result = classifier_table.evaluate(rows, model, k, config)
    sample = classifier_table.sample_tracks(rows, lake.read(TRACKS), config)
    checks = overfitting.run_checks(sample, clusters.centers, config)
    settings, listed = asdict(config) | which, overfitting.list_checks(checks)
    model_id = content_id("classifier", settings, dict(lake.inputs))
    contents = CardContents(model_id, settings, result, listed)
    classifier_table.register_with_card(lake, model, contents)
    lake.upsert_rows(classifier.fit_rows(model_id, config.preset, fits), CLASSIFIER_FITS)
    lake.upsert_rows(overfitting.evaluation_rows(model_id, which, checks), EVALUATIONS)
    plots.save(plots.fits(fits), args.plot)
    plots.save(plots.overfitting(listed), args.overfitting_plot)
    return {
        "model": model_id,
        **which,
        "fits": len(fits) // 2,
        **result,
        "overfitting_checks": listed,
    }


READS = (TRACK_FEATURES, CLUSTER_MODELS, TRACK_CLUSTERS, TRACKS)
WRITES = (MODELS, CLASSIFIER_FITS, EVALUATIONS)
JOB = Job("train_cluster_classifier", parse_args, run, READS, WRITES)

if __name__ == "__main__":
    JOB.main()
