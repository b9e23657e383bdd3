"""generate_triplets: draw anchor, positive, negative for every recording of the training works.

Reads   recordings, track_clusters (strategies cluster and mix)
Writes  triplets (one set a strategy and seed; an older set of the same name is replaced)

    ./spark-submit.sh generate_triplets --lake /data/lake --strategy clique --per-anchor 4
"""

from __future__ import annotations

import argparse

from pyspark.sql import functions as F

from lib.io.job import Job, Summary, job_parser, positive
from lib.io.lake import Lake
from lib.triplets import strategies
from schemas.recordings import RECORDINGS
from schemas.table import Table
from schemas.track_clusters import TRACK_CLUSTERS
from schemas.triplets import TRIPLETS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--strategy", nargs="+", choices=strategies.STRATEGIES, default=["clique"])
    parser.add_argument(
        "--per-anchor", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--cluster-model", metavar="ID", help="default: the first one")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Draw the triplets of every strategy asked for."""
    recordings = lake.read(RECORDINGS)
    clusters = None
    if TRACK_CLUSTERS in reads(args):
        clusters = strategies.of_model(lake.read(TRACK_CLUSTERS), args.cluster_model)
    found = strategies.candidates(recordings, clusters).persist()
    rows = strategies.generate(found, args.strategy, per_anchor=args.per_anchor, seed=args.seed)
    names = ", ".join(f"'{s}'" for s in args.strategy)
    mine = f"t.strategy IN ({names}) AND t.seed = {args.seed}"
    lake.upsert(rows, TRIPLETS, delete_absent=mine)
    written = lake.spark.table(lake.identifier(TRIPLETS)).alias("t").where(mine)
    counts = written.groupBy("strategy").agg(F.count("*").alias("n")).orderBy("strategy").collect()
    drawn = [{"strategy": r["strategy"], "triplets": r["n"]} for r in counts]
    anchors = found.groupBy("split").agg(F.count("*").alias("n")).orderBy("split").collect()
    return {f"recordings for {r['split']}": r["n"] for r in anchors} | {"triplets": drawn}


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables read: clusters only where a strategy asks for them."""
    by_cluster = {"cluster", "mix"} & set(args.strategy)
    return (RECORDINGS, TRACK_CLUSTERS) if by_cluster else (RECORDINGS,)


JOB = Job("generate_triplets", parse_args, run, reads, (TRIPLETS,))

if __name__ == "__main__":
    JOB.main()
