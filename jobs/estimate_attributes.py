"""estimate_attributes: estimate the six attributes of recordings, so that they can join a cluster.

Reads   recordings, spectrograms (log_mel and chroma); tracks and models, if there is a catalogue
Writes  track_features (source estimated); models (a scaler, if there is none)

    ./spark-submit.sh estimate_attributes --lake /data/lake
"""

from __future__ import annotations

import argparse
from functools import reduce

from pyspark.sql import DataFrame

from covers.audio import attributes_table
from covers.catalog.features import ENCODINGS
from covers.catalog.features_table import feature_rows, scaler_for
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser
from covers.io.lake import Lake
from covers.schemas.models import MODELS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.tracks import TRACKS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return job_parser(__doc__).parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Estimate, encode with the catalogue's scaler, report the errors against it.

    Without a catalogue the scaler is fitted on the estimates.
    """
    recordings = lake.read(RECORDINGS).where("state = 'present'")
    tensors = lake.read(SPECTROGRAMS).join(recordings.select("recording_id"), "recording_id")
    symbolic = attributes_table.symbolic_rows(recordings)
    estimated = attributes_table.estimate_rows(tensors).unionByName(symbolic).persist()
    tracks = attributes_table.track_rows(estimated, recordings).persist()
    scaler_id, scaler = scaler_for(lake, tracks)
    encoded = [
        feature_rows(tracks, scaler, encoding, scaler_id=scaler_id, source="estimated", version=-1)
        for encoding in ENCODINGS
    ]
    lake.upsert(reduce(DataFrame.unionByName, encoded), TRACK_FEATURES)
    n_recordings, n_estimated = recordings.count(), estimated.count()
    catalog = lake.read(TRACKS) if lake.exists(TRACKS) else None
    errors = attributes_table.estimation_errors(catalog, tracks) if catalog is not None else []
    return {
        "recordings": n_recordings,
        "without_attributes": n_recordings - n_estimated,
        "errors_against_catalog": errors,
    }


READS = (RECORDINGS, SPECTROGRAMS)
JOB = Job("estimate_attributes", parse_args, run, READS, (TRACK_FEATURES, MODELS))

if __name__ == "__main__":
    JOB.main()
