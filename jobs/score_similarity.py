"""score_similarity: similarity of every track to one song.

Reads   tracks, track_features (encoding raw)
Writes  track_similarity (one row a track, seed and method)

    ./spark-submit.sh score_similarity --lake /data/lake --title "Mr. Brightside" --artist "The Killers"
"""

from __future__ import annotations

import argparse

from pyspark.sql import functions as F

from covers.catalog import similarity_table
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, positive
from covers.io.lake import Lake
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.track_similarity import TRACK_SIMILARITY
from covers.schemas.tracks import TRACKS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    song = parser.add_mutually_exclusive_group(required=True)
    song.add_argument(
        "--title", metavar="TEXT", help="title; case, accents and punctuation are ignored"
    )
    song.add_argument("--track-id", metavar="ID")
    parser.add_argument("--artist", metavar="TEXT")
    parser.add_argument("--method", choices=similarity_table.METHODS, default="writeup")
    parser.add_argument(
        "--top", type=positive, default=10, metavar="N", help="default: %(default)s"
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Score the catalogue, print the most similar tracks."""
    tracks = lake.read(TRACKS)
    seed = args.track_id or similarity_table.find_track(tracks, args.title, args.artist)
    features = lake.read(TRACK_FEATURES).where("encoding = 'raw' AND source = 'catalog'")
    rows = similarity_table.similarity_rows(features, seed_track_id=seed, method=args.method)
    n_rows = lake.upsert(rows, TRACK_SIMILARITY)
    top = (
        rows.where(F.col("track_id") != seed).join(tracks.select("track_id", "name", "artist"), "track_id")
        .orderBy(F.desc("similarity"), "track_id").limit(args.top)
        .select("name", "artist", "similarity", "track_id").collect()
    )  # fmt: skip
    return {"seed_track": seed, "tracks_scored": n_rows, "most_similar": [r.asDict() for r in top]}


JOB = Job("score_similarity", parse_args, run, (TRACKS, TRACK_FEATURES), (TRACK_SIMILARITY,))

if __name__ == "__main__":
    JOB.main()
