"""generate_triplets: draw anchor, positive, negative for every recording of the training works.

Reads   recordings, track_clusters (where a strategy needs clusters), embeddings, models (--mine)
Writes  triplets (one set for each strategy and seed, which replaces an earlier one)

    ./spark-submit.sh generate_triplets --lake /data/lake --strategy clique --per-anchor 4
    ./spark-submit.sh generate_triplets --lake /data/lake --strategy mix --mix-shares clique=3 title=1
    ./spark-submit.sh generate_triplets --lake /data/lake --mine semi-hard   # writes clique-semi-hard
"""

from __future__ import annotations

import argparse
import re

from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive, renamed_flags
from covers.io.lake import Lake
from covers.models import registry
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.table import Table
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.triplets import TRIPLETS
from covers.triplets.candidates_table import select_candidates, select_cluster_model
from covers.triplets.config import KINDS, MINING_MODES, MIX_SHARES, STRATEGIES, SamplingConfig
from covers.triplets.mining_table import mine_triplets, select_vectors
from covers.triplets.sampling_table import draw_triplets, summarize


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--strategy", nargs="+", choices=STRATEGIES, default=["clique"])
    parser.add_argument(
        "--mix-shares", nargs="+", type=mix_share, metavar="KIND=X", default=MIX_SHARES.items(),
        help="shares of the kinds in mix (default: equal ones of cluster, augmentation and clique)",
    )  # fmt: skip
    parser.add_argument(
        "--per-anchor", type=positive, default=4, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--cluster-model", metavar="ID", help="default: the first one")
    parser.add_argument(
        "--mine", choices=MINING_MODES,
        help="choose negatives (hard: positives, too) by distance in an earlier model's embeddings",
    )  # fmt: skip
    parser.add_argument(
        "--model",
        default="latest",
        help="model whose embeddings --mine compares, as in embed_recordings",
    )
    renamed_flags(parser, {"--weights": "--mix-shares"})
    args = parser.parse_args(argv)
    args.mix_shares = dict(args.mix_shares)
    return args


def mix_share(text: str) -> tuple[str, float]:
    """Parse KIND=X, a share of a mix; argparse prints the error."""
    kind, _, share = text.partition("=")
    if kind not in KINDS or not re.fullmatch(r"\d*\.?\d+", share) or not float(share):
        raise argparse.ArgumentTypeError(
            f"a share must be KIND=X, one of {KINDS} and a number above 0, got {text!r}"
        )
    return kind, float(share)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Draw the triplets of every strategy."""
    config, names = config_of(args), config_of(args).strategies
    clusters = None
    if TRACK_CLUSTERS in reads(args):
        clusters = select_cluster_model(lake.read(TRACK_CLUSTERS), args.cluster_model)
    candidates = select_candidates(lake.read(RECORDINGS), clusters).persist()
    if args.mine:
        model = registry.resolve(lake, args.model)
        vectors = select_vectors(lake.read(EMBEDDINGS), model.model_id)
        rows = mine_triplets(candidates, vectors, config, args.mine)
        names = tuple(f"{name}-{args.mine}" for name in names)
    else:
        rows = draw_triplets(candidates, config)
    own = f"strategy IN ({', '.join(map(repr, names))}) AND seed = {args.seed}"
    lake.replace(rows, TRIPLETS, own)
    return summarize(lake.spark.table(lake.identifier(TRIPLETS)).where(own), candidates)


def config_of(args: argparse.Namespace) -> SamplingConfig:
    """Return what to draw."""
    strategies = tuple(dict.fromkeys(args.strategy))
    return SamplingConfig(strategies, args.per_anchor, args.seed, args.mix_shares)


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables read: clusters and embeddings only where they are needed."""
    clusters = (TRACK_CLUSTERS,) if "cluster" in config_of(args).kinds else ()
    mined = (EMBEDDINGS, *registry.tables_of(args.model)) if args.mine else ()
    return (RECORDINGS, *clusters, *mined)


JOB = Job("generate_triplets", parse_args, run, reads, (TRIPLETS,))

if __name__ == "__main__":
    JOB.main()
