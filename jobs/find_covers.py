"""find_covers: which recordings of the lake are covers of these audio files?

Reads   audio files, embeddings, sequence_embeddings, recordings, spectrograms, models
Writes  an index in --files where embeddings are more than 300,000, nothing else; prints the best
        matches (--json for programs)

    ./spark-submit.sh find_covers --lake /data/lake --audio song.mp3 --top 5
    ./spark-submit.sh find_covers --lake /data/lake --pair a.mp3 b.mp3
"""

from __future__ import annotations

import argparse

from covers.cli.job import Job, Summary
from covers.cli.parser import job_parser, positive
from covers.io.lake import Lake
from covers.models.registry import tables_of
from covers.retrieval.search_tables import compare_in_lake, search_lake
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.table import Table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--audio", nargs="+", metavar="FILE", help="audio files to look up")
    asked.add_argument("--pair", nargs=2, metavar="FILE", help="are these two the same song?")
    parser.add_argument("--model", default="latest", help="id, file, shipped or latest (default)")
    parser.add_argument("--top", type=positive, default=5, metavar="N", help="default: %(default)s")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Embed the files, compare, list the best matches."""
    if args.pair:
        return compare_in_lake(lake, args.model, args.pair)
    return search_lake(lake, args.model, args.audio, k=args.top)


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables: two files need none, and not every model is in one."""
    data = () if args.pair else (EMBEDDINGS, RECORDINGS, SPECTROGRAMS)
    return (*data, *tables_of(args.model))


JOB = Job("find_covers", parse_args, run, reads)

if __name__ == "__main__":
    JOB.main()
