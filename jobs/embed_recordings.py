"""embed_recordings: embed every spectrogram by a trained network, only what is new.

Reads   spectrograms, models
Writes  embeddings

    ./spark-submit.sh embed_recordings --lake /data/lake --model latest
"""

from __future__ import annotations

import argparse

from covers.audio import spectrograms_table
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser
from covers.io.lake import Lake
from covers.models import registry
from covers.retrieval import embed
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.table import Table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--model", default="latest", help="id, file, shipped or latest (default)")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Embed what this model has not seen."""
    network = registry.resolve(lake, args.model)
    lake.ensure(EMBEDDINGS)
    wanted = spectrograms_table.select_parameters(
        lake.read(SPECTROGRAMS), network.config["representation"]
    )
    known = lake.spark.table(lake.identifier(EMBEDDINGS))
    new = embed.not_embedded(wanted, known, network.model_id)
    rows = embed.embed_rows(new, network.model_id, network.config, network.weights)
    n_new = lake.upsert(rows, EMBEDDINGS)
    return {"model": network.model_id, "spectrograms": wanted.count(), "embedded now": n_new}


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables: not every model is in one."""
    return (SPECTROGRAMS, *registry.tables_of(args.model))


JOB = Job("embed_recordings", parse_args, run, reads, (EMBEDDINGS,))

if __name__ == "__main__":
    JOB.main()
