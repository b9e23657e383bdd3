"""assign_clusters: give new tracks a cluster by the classifier, beside the nearest centre.

Reads   track_features, track_clusters, cluster_models, models
Writes  track_clusters (method classifier) for tracks that have no cluster yet; quarantine

    ./spark-submit.sh assign_clusters --lake /data/lake
"""

from __future__ import annotations

import argparse

from pyspark.sql import functions as F

from covers.catalog import assignment_table, classifier
from covers.catalog.cluster_tables import find_model
from covers.catalog.features import Scaler
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser
from covers.io.lake import Lake
from covers.io.model_store import find, newest
from covers.io.spark import checkpoint_to_disk
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.models import MODELS
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--classifier", metavar="ID", help="default: the newest")
    parser.add_argument("--source", choices=("estimated", "catalog"), help="default: both")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Assign, and return how often the nearest centre agrees."""
    chosen = newest(lake, "classifier", args.classifier)
    model = find_model(lake, chosen.config["cluster_model_id"])
    scaler = Scaler(**find(lake, model.scaler_id).config)
    features = lake.read(TRACK_FEATURES).where(f"encoding = '{model.encoding}'")
    features = features.where(F.col("source") == args.source) if args.source else features
    fitted = lake.read(TRACK_CLUSTERS).where(F.col("cluster_model_id") == model.cluster_model_id)
    fitted = fitted.where("method = 'nearest_center'").select("track_id")
    new = checkpoint_to_disk(
        assignment_table.rescale(
            features.join(fitted, "track_id", "left_anti"), scaler, model.encoding
        )
    )
    valid, rejected = new.where("is_in_range"), new.where("NOT is_in_range")
    rows = assignment_table.assignment_rows(valid, model, classifier.load(chosen.path)).persist()
    n_rows = lake.upsert(rows, TRACK_CLUSTERS)
    lake.n_quarantined = lake.upsert(assignment_table.quarantine_rows(rejected), QUARANTINE)
    return {
        "classifier": chosen.model_id, "read": new.count(), "assigned": n_rows,
        "quarantined": lake.n_quarantined,
        "agreement_with_nearest_center": assignment_table.agreement_rates(rows, valid),
    }  # fmt: skip


READS = (TRACK_FEATURES, TRACK_CLUSTERS, CLUSTER_MODELS, MODELS)
JOB = Job("assign_clusters", parse_args, run, READS, (TRACK_CLUSTERS, QUARANTINE))

if __name__ == "__main__":
    JOB.main()
