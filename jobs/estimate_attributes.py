"""estimate_attributes: hear the six attributes in recordings, so that any can join a cluster.

Reads   recordings, spectrograms (log_mel and chroma), tracks, models (the catalogue's scaler)
Writes  track_features (source estimated)

    ./spark-submit.sh estimate_attributes --lake /data/lake
"""

from __future__ import annotations

import argparse

from lib.audio import attributes
from lib.catalog.features import ENCODINGS, Scaler, feature_rows
from lib.io.job import Job, Summary, job_parser
from lib.io.lake import Lake
from lib.io.models import newest
from schemas.models import MODELS
from schemas.recordings import RECORDINGS
from schemas.spectrograms import SPECTROGRAMS
from schemas.track_features import TRACK_FEATURES
from schemas.tracks import TRACKS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return job_parser(__doc__).parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Estimate, encode with the catalogue's scaler, report the errors where both are known."""
    recordings = lake.read(RECORDINGS).where("state = 'present'")
    scaler = newest(lake, "scaler")
    tensors = lake.read(SPECTROGRAMS).join(recordings.select("recording_id"), "recording_id")
    estimated = attributes.estimate(tensors).unionByName(attributes.known(recordings)).persist()
    tracks = attributes.as_tracks(estimated, recordings).persist()
    for encoding in ENCODINGS:
        rows = feature_rows(
            tracks, Scaler(**scaler.config), encoding,
            scaler_id=scaler.model_id, source="estimated", version=-1,
        )  # fmt: skip
        lake.upsert(rows, TRACK_FEATURES)
    n_recordings, n_estimated = recordings.count(), estimated.count()
    errors = attributes.errors_against(lake.read(TRACKS), tracks)
    return {
        "recordings": n_recordings,
        "neither heard nor known": n_recordings - n_estimated,
        "against the catalogue": errors,
    }


READS = (RECORDINGS, SPECTROGRAMS, TRACKS, MODELS)
JOB = Job("estimate_attributes", parse_args, run, READS, (TRACK_FEATURES,))

if __name__ == "__main__":
    JOB.main()
