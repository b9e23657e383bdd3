"""compute_features: turn the six attributes of every track into vectors.

Reads   tracks
Writes  track_features (source catalog), models (the fitted scaler)

    ./spark-submit.sh compute_features --lake /data/lake --encoding raw musical
"""

from __future__ import annotations

import argparse

from covers.catalog import features_table
from covers.catalog.features import ENCODINGS
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser
from covers.io.lake import Lake
from covers.schemas.models import MODELS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.tracks import TRACKS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--encoding", nargs="+", choices=ENCODINGS, default=list(ENCODINGS),
        help="default: all",
    )  # fmt: skip
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Fit the scaler over the catalogue, encode every track."""
    tracks = lake.read(TRACKS)
    scaler_id, scaler = features_table.register_scaler(lake, tracks)
    rows = [
        features_table.feature_rows(
            tracks, scaler, encoding, scaler_id=scaler_id, source="catalog",
            version=int(lake.inputs["tracks"]),
        )
        for encoding in args.encoding
    ]  # fmt: skip
    written = [lake.upsert(frame, TRACK_FEATURES) for frame in rows]
    return {
        "scaler": scaler_id,
        "tempo_range": f"{scaler.tempo_min:g} to {scaler.tempo_max:g} BPM",
    } | dict(zip([f"rows_{e}" for e in args.encoding], written, strict=True))


JOB = Job("compute_features", parse_args, run, (TRACKS,), (TRACK_FEATURES, MODELS))

if __name__ == "__main__":
    JOB.main()
