"""cluster_tracks: k-means over the feature vectors of the whole catalogue.

Reads   track_features
Writes  cluster_models, track_clusters (method nearest_center)

    ./spark-submit.sh cluster_tracks --lake /data/lake --encoding musical --k 3
"""

from __future__ import annotations

import argparse

from lib.catalog import clusters
from lib.catalog.cluster_rows import cluster_summary, model_row, track_rows
from lib.catalog.features import ENCODINGS
from lib.io.job import Job, Summary, job_parser
from lib.io.lake import Lake
from schemas.cluster_models import CLUSTER_MODELS
from schemas.track_clusters import TRACK_CLUSTERS
from schemas.track_features import TRACK_FEATURES


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--encoding", choices=ENCODINGS, default="musical", help="default: %(default)s"
    )
    parser.add_argument(
        "--k",
        default="3",
        metavar="K",
        type=clusters.parse_k,
        help="a number from 2, or auto (default: 3)",
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Fit, describe, and write the cluster of every track."""
    features = lake.read(TRACK_FEATURES).where(f"encoding = '{args.encoding}'")
    catalog = features.where("source = 'catalog'").persist()
    fit, tried = clusters.choose_k(catalog, args.k, seed=args.seed)
    rows = clusters.nearest_center(catalog, fit.centers).persist()
    described = cluster_summary(rows, fit.k)
    row = model_row(
        fit, described, encoding=args.encoding, seed=args.seed,
        scaler_id=catalog.select("scaler_id").head()[0],
        version=int(lake.inputs["track_features"]),
    )  # fmt: skip
    lake.upsert_rows([row], CLUSTER_MODELS)
    lake.upsert(track_rows(rows, row[0]), TRACK_CLUSTERS)
    return {"model": row[0], "tried": tried, "clusters": described}


JOB = Job("cluster_tracks", parse_args, run, (TRACK_FEATURES,), (CLUSTER_MODELS, TRACK_CLUSTERS))

if __name__ == "__main__":
    JOB.main()
