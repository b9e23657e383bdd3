"""assign_clusters: give new tracks a cluster by the classifier, beside the nearest centre.

Reads   track_features, track_clusters, cluster_models, models
Writes  track_clusters (method classifier) for tracks that have no cluster yet

    ./spark-submit.sh assign_clusters --lake /data/lake
"""

from __future__ import annotations

import argparse

from pyspark.sql import functions as F

from lib.catalog.cluster_rows import assigned_rows, find_model
from lib.io.job import Job, Summary, job_parser
from lib.io.lake import Lake, settled
from lib.io.models import newest
from schemas.cluster_models import CLUSTER_MODELS
from schemas.models import MODELS
from schemas.track_clusters import TRACK_CLUSTERS
from schemas.track_features import TRACK_FEATURES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--classifier", metavar="ID", help="default: the newest")
    parser.add_argument("--source", choices=("estimated", "catalog"), help="default: both")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Assign, and tell how often the nearest centre says the same."""
    classifier = newest(lake, "classifier", args.classifier)
    model = find_model(lake, classifier.config["cluster_model_id"])
    features = lake.read(TRACK_FEATURES).where(f"encoding = '{model.encoding}'")
    features = features.where(F.col("source") == args.source) if args.source else features
    fitted = lake.read(TRACK_CLUSTERS).where(
        f"cluster_model_id = '{model.cluster_model_id}' AND method = 'nearest_center'"
    )
    new = settled(features.join(fitted.select("track_id"), "track_id", "left_anti"))
    rows = assigned_rows(new, model, classifier.path).persist()
    n_rows = lake.upsert(rows, TRACK_CLUSTERS)
    agreement = rows.agg(F.mean(F.col("agrees").cast("double"))).head()[0]
    return {
        "classifier": classifier.model_id,
        "new tracks": n_rows,
        "agree with nearest centre": agreement,
    }


JOB = Job(
    "assign_clusters", parse_args, run,
    (TRACK_FEATURES, TRACK_CLUSTERS, CLUSTER_MODELS, MODELS), (TRACK_CLUSTERS,),
)  # fmt: skip

if __name__ == "__main__":
    JOB.main()
