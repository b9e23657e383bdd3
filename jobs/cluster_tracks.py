"""cluster_tracks: k-means over the catalogue's feature vectors, or those estimated from recordings.

Reads   track_features; tracks, or recordings
Writes  cluster_models, track_clusters (method nearest_center), evaluations, plots

    ./spark-submit.sh cluster_tracks --lake /data/lake --k auto --plot map.png --k-plot k.png
    ./spark-submit.sh cluster_tracks --lake /data/lake --source estimated    # no catalogue: estimate_attributes
"""

from __future__ import annotations

import argparse

from pyspark.storagelevel import StorageLevel

from covers.catalog import kmeans_table, plots
from covers.catalog.cluster_quality_table import evaluate_clusters
from covers.catalog.cluster_tables import cluster_summary, model_row, track_names, track_rows
from covers.catalog.features import ENCODINGS
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import checked, job_parser, renamed_flags
from covers.io.lake import Lake
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.tracks import TRACKS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--encoding", choices=ENCODINGS, default="musical", help="default: %(default)s"
    )
    parser.add_argument(
        "--source", choices=("catalog", "estimated"), default="catalog",
        help="of the features: the catalogue, or estimated from recordings (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--k",
        default="3",
        metavar="K",
        type=checked(parse_k),
        help="a number from 2, or auto (default: 3)",
    )
    parser.add_argument("--plot", metavar="FILE", help="PNG: a map of the clusters, their keys")
    parser.add_argument("--k-plot", metavar="FILE", help="PNG: silhouette and stability by k")
    renamed_flags(parser, {"--picture": "--plot", "--k-picture": "--k-plot"})
    return parser.parse_args(argv)


def parse_k(text: str) -> range:
    """Parse the number of clusters: one number, or ``auto`` = 2 to 10.

    Examples
    --------
    >>> parse_k("3"), parse_k("auto")
    (range(3, 4), range(2, 11))
    """
    if text == "auto":
        return range(2, 11)
    if not text.isdecimal() or int(text) < 2:
        raise ValueError(f"k must be at least 2, or auto, got {text}")
    return range(int(text), int(text) + 1)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Fit, describe and evaluate the clusters; write the cluster of every track."""
    features = lake.read(TRACK_FEATURES).where(f"encoding = '{args.encoding}'")
    chosen = features.where(f"source = '{args.source}'")
    fit, trials = kmeans_table.choose_k(chosen, args.k, seed=args.seed)
    rows = kmeans_table.nearest_center(chosen, fit.centers).persist(StorageLevel.DISK_ONLY)
    described = cluster_summary(rows, fit.k)
    n_tracks = sum(d["tracks"] for d in described)
    row = model_row(
        fit, described, encoding=args.encoding, seed=args.seed,
        scaler_id=chosen.select("scaler_id").collect()[0][0], version=int(lake.inputs["track_features"]),
    )  # fmt: skip
    lake.upsert(track_rows(rows, row[0]), TRACK_CLUSTERS)
    lake.upsert_rows([row], CLUSTER_MODELS)
    quality = evaluate_clusters(rows, track_names(lake, args.source, chosen))
    lake.upsert_rows(quality.evaluation_rows(fit, row[0], n_tracks), EVALUATIONS)
    if args.plot:
        sample = {row[0]: kmeans_table.map_sample(rows, n_tracks, args.seed)}
        plots.save(plots.cluster_map(sample), args.plot)
    plots.save(plots.k_choice(trials), args.k_plot)
    return {"model": row[0], **quality.summary(), "trials": trials, "clusters": described}


READS = {"catalog": (TRACK_FEATURES, TRACKS), "estimated": (TRACK_FEATURES, RECORDINGS)}
WRITES = (CLUSTER_MODELS, TRACK_CLUSTERS, EVALUATIONS)
JOB = Job("cluster_tracks", parse_args, run, lambda args: READS[args.source], WRITES)

if __name__ == "__main__":
    JOB.main()
