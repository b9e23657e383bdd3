"""generate_triplets: draw anchor, positive, negative for every recording of the training works.

Reads   recordings, track_clusters (where a strategy takes clusters), embeddings, models (--mine)
Writes  triplets (one set a strategy and seed; an older set of the same name is replaced)

    ./spark-submit.sh generate_triplets --lake /data/lake --strategy clique --per-anchor 4
    ./spark-submit.sh generate_triplets --lake /data/lake --strategy mix --weights clique=3 title=1
    ./spark-submit.sh generate_triplets --lake /data/lake --mine semi-hard   # writes clique-semi-hard
"""

from __future__ import annotations

import argparse

from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive
from covers.io.lake import Lake
from covers.models import registry
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.table import Table
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.triplets import TRIPLETS
from covers.triplets import mining, sampling
from covers.triplets.candidates import candidates, of_model


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--strategy", nargs="+", choices=sampling.STRATEGIES, default=["clique"])
    parser.add_argument(
        "--weights", nargs="+", type=sampling.weight, metavar="KIND=X", default=sampling.MIX.items(),
        help="shares of the kinds in mix (default: cluster, augmentation and clique alike)",
    )  # fmt: skip
    parser.add_argument(
        "--per-anchor", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--cluster-model", metavar="ID", help="default: the first one")
    parser.add_argument(
        "--mine", choices=mining.WAYS,
        help="take negatives (hard: positives too) by distance in an earlier model's embeddings",
    )  # fmt: skip
    parser.add_argument(
        "--model", default="latest", help="whose embeddings --mine takes: as of embed_recordings"
    )
    args = parser.parse_args(argv)
    args.weights = dict(args.weights)
    return args


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Draw the triplets of every strategy asked for."""
    clusters = None
    if TRACK_CLUSTERS in reads(args):
        clusters = of_model(lake.read(TRACK_CLUSTERS), args.cluster_model)
    found = candidates(lake.read(RECORDINGS), clusters).persist()
    names, how = list(dict.fromkeys(args.strategy)), {"per_anchor": args.per_anchor}
    how |= {"seed": args.seed, "weights": args.weights}
    if args.mine:
        network = registry.resolve(lake, args.model)
        vectors = mining.vectors_of(lake.read(EMBEDDINGS), network.model_id)
        rows = mining.generate(found, vectors, names, args.mine, **how)
        names = [f"{name}-{args.mine}" for name in names]
    else:
        rows = sampling.generate(found, names, **how)
    mine = f"strategy IN ({', '.join(map(repr, names))}) AND seed = {args.seed}"
    lake.replace(rows, TRIPLETS, mine)
    return sampling.summary(lake.spark.table(lake.identifier(TRIPLETS)).where(mine), found)


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables read: clusters and embeddings only where they are asked for."""
    by_cluster = "cluster" in sampling.kinds_of(args.strategy, args.weights)
    mined = (EMBEDDINGS, *registry.tables_of(args.model)) if args.mine else ()
    return (RECORDINGS, *((TRACK_CLUSTERS,) if by_cluster else ()), *mined)


JOB = Job("generate_triplets", parse_args, run, reads, (TRIPLETS,))

if __name__ == "__main__":
    JOB.main()
