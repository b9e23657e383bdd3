"""embed_recordings: embed every spectrogram by a trained network, only those that are new.

Reads   spectrograms, models
Writes  embeddings (of tracks), sequence_embeddings (segments and frames, by which searches align)

    ./spark-submit.sh embed_recordings --lake /data/lake --model latest
"""

from __future__ import annotations

import argparse

from covers.audio.spectrograms_table import select_parameters
from covers.cli.job import Job, Summary
from covers.cli.parser import job_parser
from covers.io.lake import Lake
from covers.models import registry
from covers.retrieval import embeddings_table
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.sequence_embeddings import SEQUENCE_EMBEDDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.table import Table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--model", default="latest", help="id, file, shipped or latest (default)")
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Embed what this model has not embedded."""
    model = registry.resolve(lake, args.model)
    wanted = select_parameters(lake.read(SPECTROGRAMS), model.card.representation)
    new = embeddings_table.unembedded(lake, wanted, EMBEDDINGS, model.model_id)
    n_tracks = lake.upsert(embeddings_table.embed_rows(new, model), EMBEDDINGS)
    n_sequences = 0
    if model.card.frame_s:
        new = embeddings_table.unembedded(lake, wanted, SEQUENCE_EMBEDDINGS, model.model_id)
        n_sequences = lake.upsert(embeddings_table.sequence_rows(new, model), SEQUENCE_EMBEDDINGS)
    counts = {"spectrograms": wanted.count(), "embedded": n_tracks, "sequences": n_sequences}
    return {"model": model.model_id, **counts}


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables: not every model is in one."""
    return (SPECTROGRAMS, *registry.tables_of(args.model))


WRITES = (EMBEDDINGS, SEQUENCE_EMBEDDINGS)
JOB = Job("embed_recordings", parse_args, run, reads, WRITES)

if __name__ == "__main__":
    JOB.main()
