"""evaluate_covers: judge a network and its baselines on recordings whose works are known.

Reads   recordings, spectrograms, models — or a manifest and its audio, without any table
Writes  evaluations, an HTML report, the figures as JSON

    ./spark-submit.sh evaluate_covers --lake /data/lake --data-set demo --report report.html
    ./spark-submit.sh evaluate_covers --lake /tmp/l --manifest m.csv --audio-root audio --model shipped
"""

from __future__ import annotations

import argparse
from pathlib import Path

from covers.cli.console import Summary
from covers.cli.job import Job
from covers.cli.parser import job_parser
from covers.evaluation.run import evaluate_set, evaluation_set
from covers.io.lake import Lake
from covers.models import registry
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.table import Table


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = job_parser(__doc__)
    parser.add_argument(
        "--model", default="latest", help="id, file, shipped, untrained or latest (default)"
    )
    parser.add_argument(
        "--data-set", default="evaluation", metavar="NAME", help="in the lake, or a new name"
    )
    parser.add_argument("--manifest", metavar="CSV", help="judge these files directly")
    parser.add_argument("--audio-root", metavar="FOLDER", help="where the manifest's paths begin")
    parser.add_argument("--report", metavar="HTML", help="write the report here")
    parser.add_argument(
        "--no-baselines", action="store_true", help="leave out 2-D Fourier and Qmax"
    )
    return parser.parse_args(argv)


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Collect the set, judge every system, store the figures, write the report."""
    data, network = evaluation_set(lake, args)
    evaluated = evaluate_set(
        lake, data, network, baselines=not args.no_baselines, seed=args.seed, report=args.report
    )
    lake.upsert_rows(evaluated.rows, EVALUATIONS)
    return evaluated.summary


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables that these arguments ask for."""
    data = () if args.manifest else (RECORDINGS, SPECTROGRAMS)
    return (*data, *registry.tables_of(args.model))


def report_state(args: argparse.Namespace) -> dict[str, str]:
    """Tell whether the report is there, so that a pipeline makes it again when it is not."""
    return {"report": "there" if args.report and Path(args.report).is_file() else "none"}


JOB = Job("evaluate_covers", parse_args, run, reads, (EVALUATIONS,), report_state)

if __name__ == "__main__":
    JOB.main()
