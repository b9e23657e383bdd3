"""evaluate_covers: evaluate a network and the baselines on recordings whose works are known.

Reads   recordings, spectrograms, models; or a manifest and its audio, without any table
Writes  evaluations, an HTML report, the metrics as JSON

    ./spark-submit.sh evaluate_covers --lake /data/lake --data-set demo --report report.html
    ./spark-submit.sh evaluate_covers --lake /tmp/l --manifest m.csv --audio-root audio --model shipped
"""

from __future__ import annotations

import argparse
from pathlib import Path

from covers.cli.job import Job, Summary
from covers.cli.parser import job_parser, renamed_flags
from covers.evaluation import dataset_table
from covers.evaluation.run import evaluate_set
from covers.io.lake import Lake
from covers.models import registry
from covers.models.model import untrained
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
        "--also", nargs="+", default=[], metavar="MODEL", help="further models, a row each"
    )
    parser.add_argument("--data-set", metavar="NAME", help="in the lake, or a new name")
    parser.add_argument("--manifest", metavar="CSV", help="evaluate on these files directly")
    parser.add_argument("--audio-root", metavar="FOLDER", help="that the manifest's paths are in")
    parser.add_argument("--report", metavar="HTML", help="write the report here")
    parser.add_argument(
        "--no-baselines", action="store_true", help="leave out 2-D Fourier and Qmax"
    )
    renamed_flags(parser, {"--no-rivals": "--no-baselines"})
    args = parser.parse_args(argv)
    if not (args.data_set or args.manifest):
        parser.error("one of --data-set and --manifest is required")
    args.data_set = args.data_set or Path(args.manifest).resolve().parent.name
    return args


def run(lake: Lake, args: argparse.Namespace) -> Summary:
    """Collect the set, evaluate every system, store the metrics, write the report."""
    model = registry.resolve(lake, args.model)
    models = {"model": model, "untrained": untrained(model.card.architecture)}
    models |= {name: registry.resolve(lake, name) for name in args.also}
    if args.manifest:
        data, lake.n_quarantined = dataset_table.from_manifest(
            lake, args.manifest, args.audio_root, args.data_set, models
        )
    else:
        data = dataset_table.from_lake(lake, args.data_set, models)
    evaluated = evaluate_set(
        lake, data, baselines=not args.no_baselines, seed=args.seed, report_path=args.report
    )
    lake.upsert_rows(evaluated.rows, EVALUATIONS)
    return {"read": len(data.works) + lake.n_quarantined, **evaluated.summary}


def reads(args: argparse.Namespace) -> tuple[Table, ...]:
    """Return the tables that these arguments ask for."""
    data = () if args.manifest else (RECORDINGS, SPECTROGRAMS)
    return (*data, *{t for m in (args.model, *args.also) for t in registry.tables_of(m)})


def report_state(args: argparse.Namespace) -> dict[str, str]:
    """Tell whether the report is there, so that a pipeline makes it again when it is not."""
    return {"report": "there" if args.report and Path(args.report).is_file() else "none"}


JOB = Job("evaluate_covers", parse_args, run, reads, (EVALUATIONS,), report_state)

if __name__ == "__main__":
    JOB.main()
