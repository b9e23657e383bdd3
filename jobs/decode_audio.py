"""decode_audio: decode recordings into spectrogram tensors, only those that are new or changed.

Reads   recordings
Writes  spectrograms (rows of other parameters stay), quarantine

    ./spark-submit.sh decode_audio --lake /data/lake --representation chroma
    ./spark-submit.sh decode_audio --lake /data/lake --representation log_mel --duration 30
"""

from __future__ import annotations

import argparse

from covers.audio import extract, features, quarantine_table, sandbox, spectrograms_table
from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser, renamed_flags
from covers.io.lake import Lake
from covers.io.spark import checkpoint_to_disk
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.recordings import NOTES, RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument("--representation", choices=features.NAMES, default="chroma")
    parser.add_argument(
        "--start", type=float, default=0.0, metavar="S", help="seconds skipped at the start"
    )
    parser.add_argument(
        "--duration", type=float, metavar="S", help="seconds decoded (default: all)"
    )
    renamed_flags(parser, {"--segment": "--start and --duration: one row a recording"})
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Decode what is not there yet under these parameters and this content hash."""
    p = features.parameters(args.representation, start_s=args.start, duration_s=args.duration)
    wanted = lake.read(RECORDINGS).where(f"state = 'present' AND codec <> '{NOTES}'")
    lake.ensure(SPECTROGRAMS)
    spectrograms = lake.spark.table(lake.identifier(SPECTROGRAMS))
    new = checkpoint_to_disk(spectrograms_table.select_undecoded(wanted, spectrograms, p))
    outcomes = spectrograms_table.decode_recordings(new, p, sandbox.Limits()).persist()
    lake.upsert(spectrograms_table.valid_rows(outcomes), SPECTROGRAMS)
    lake.n_quarantined = lake.upsert(
        quarantine_table.quarantine_rows(outcomes, "decode_audio"), QUARANTINE
    )
    return spectrograms_table.decode_summary(outcomes) | {
        "parameters": extract.parameters_id(p),
        "read": wanted.count(),
        "quarantined": lake.n_quarantined,
    }


JOB = Job("decode_audio", parse_args, run, (RECORDINGS,), (SPECTROGRAMS, QUARANTINE))

if __name__ == "__main__":
    JOB.main()
