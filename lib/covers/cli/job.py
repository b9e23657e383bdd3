"""What every job shares: the common flags, the summary, the exit code, the row in `runs`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table as Grid

from covers.errors import InputError, TrainingFailed
from covers.io.lake import Lake
from covers.io.session import spark_session
from covers.schemas.runs import RUNS
from covers.schemas.table import Table

DONE, DEFECT, BAD_ARGUMENTS, BAD_INPUT, QUARANTINED, TRAINING_FAILED, INTERRUPTED = (
    0, 1, 2, 3, 4, 5, 130,
)  # fmt: skip
VERSION = "0.1.0"
Summary = Mapping[str, object]
console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)


def job_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser with the flags that all jobs have; ``doc`` is the job's docstring."""
    parser = argparse.ArgumentParser(
        prog=doc.split(".")[0].split(":")[0].strip(),
        description=doc.split(":", 1)[1].strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--lake", required=True, metavar="URI", help="folder, or schema:NAME")
    parser.add_argument("--files", metavar="URI", help="model files (default: LAKE/files)")
    parser.add_argument("--seed", type=int, default=123, metavar="N", help="default: %(default)s")
    parser.add_argument("--dry-run", action="store_true", help="say what would be read and written")
    parser.add_argument("--json", metavar="FILE", help="also write the summary for programs")
    parser.add_argument(
        "--max-quarantined", type=share, default=0.01, metavar="SHARE",
        help="exit with 4 when more of the input is set aside (default: %(default)s)",
    )  # fmt: skip
    return parser


def share(text: str) -> float:
    """Parse a number from 0 to 1; argparse prints the ValueError."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a share must be from 0 to 1, got {text}")
    return value


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"a count must be at least 1, got {text}")
    return value


@dataclass(frozen=True)
class Job:
    """A spark-submit entry: its arguments, what it does, the tables it reads and writes."""

    name: str
    parse_args: Callable[[list[str] | None], argparse.Namespace]
    run: Callable[[Lake, argparse.Namespace], Summary]
    reads: tuple[Table, ...] | Callable[[argparse.Namespace], tuple[Table, ...]] = ()
    writes: tuple[Table, ...] = ()
    files: Callable[[argparse.Namespace], dict[str, str]] = lambda args: {}

    def main(self, argv: list[str] | None = None) -> None:
        """Run the job as a program; never returns."""
        left = os.environ.get("COVERS_STDERR")  # a file: see spark-submit.sh
        said = open(left, "a", buffering=1) if left else sys.stderr  # noqa: SIM115 (to the end)
        with contextlib.redirect_stderr(said):
            args = self.parse_args(argv)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            sys.exit(guarded(lambda: self.execute(spark_session(self.name), args)))

    def execute(self, spark: SparkSession, args: argparse.Namespace) -> int:
        """Run with parsed arguments, print the summary, record the run; return the exit code."""
        lake = Lake(spark, args.lake.rstrip("/"), args.files, self.name)
        if args.dry_run:
            show(f"{self.name} (dry run: nothing is written)", self.plan(lake, args))
            return DONE
        started = time.monotonic()
        summary = dict(self.run(lake, args))
        seconds = time.monotonic() - started
        lake.inputs |= self.files(args)
        record_run(lake, self.name, args, seconds)
        written = f"{lake.n_rows:,} rows written" if self.writes else "done"
        show(f"{self.name} · {written} in {seconds:.1f} s", summary)
        if args.json:
            Path(args.json).write_text(json.dumps(summary, indent=2, default=str) + "\n")
        n_read = summary.get("read", 0)
        if isinstance(n_read, int) and lake.n_quarantined > args.max_quarantined * n_read:
            sys.stderr.write(
                f"{self.name}: quarantined rows must be at most {args.max_quarantined:.1%}, got "
                f"{lake.n_quarantined} of {n_read}; look into table quarantine\n"
            )
            return QUARANTINED
        return DONE

    def plan(self, lake: Lake, args: argparse.Namespace) -> Summary:
        """Tell which tables would be read and written, with the rows they hold now."""
        tables = self.reads(args) if callable(self.reads) else self.reads
        missing = [t.name for t in tables if not lake.exists(t)]
        if missing:
            raise InputError(
                f"tables read by {self.name} must exist, got none for {missing} in {lake.uri!r}"
            )
        reads = {f"reads {t.name}": f"{lake.count(t):,} rows" for t in tables}
        return reads | {f"writes {t.name}": f"{lake.count(t):,} rows now" for t in self.writes}


def guarded(action: Callable[[], int]) -> int:
    """Run ``action``; turn its errors into one line and an exit code."""
    try:
        return action()
    except InputError as error:
        return _complain(error, BAD_INPUT)
    except TrainingFailed as error:
        return _complain(error, TRAINING_FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted; tables are consistent, run it again to go on", INTERRUPTED)
    except Exception as error:
        folder = Path(os.environ.get("COVERS_LOGS", tempfile.gettempdir()))
        log = folder / f"covers-{uuid.uuid4().hex[:8]}.log"
        log.write_text(traceback.format_exc())
        line = str(error).strip().splitlines()
        return _complain(
            f"a defect of ours: {type(error).__name__}: {line[0] if line else ''}; trace in {log}",
            DEFECT,
        )


def _complain(error: object, code: int) -> int:
    sys.stderr.write(" ".join(str(error).split()) + "\n")
    return code


def show(title: str, summary: Summary) -> None:
    """Print a summary: plain values in one grid, lists of dicts as grids of their own."""
    console.print(f"[bold green]{title}[/]")
    grid = Grid(show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    listings = {k: v for k, v in summary.items() if isinstance(v, list) and v}
    for name, value in summary.items():
        if name not in listings and not isinstance(value, dict):
            grid.add_row(name, _text(value))
    if grid.row_count:
        console.print(grid)
    for name, rows in listings.items():
        console.print(f"{name}:")
        listing = Grid()
        for column in rows[0]:
            listing.add_column(column, overflow="fold")
        for row in rows:
            listing.add_row(*(_text(v) for v in row.values()))
        console.print(listing)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def arguments_of(args: argparse.Namespace) -> str:
    """Return the arguments that decide the result, as JSON."""
    ignored = {"lake", "files", "dry_run", "json", "max_quarantined"}
    return json.dumps(
        {k: v for k, v in sorted(vars(args).items()) if k not in ignored}, default=str
    )


def code_version() -> str:
    """Return the git commit of the code, or its package version where there is no git."""
    if os.environ.get("COVERS_COMMIT"):
        return os.environ["COVERS_COMMIT"]
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return VERSION
    return found.stdout.strip() if found.returncode == 0 else VERSION


def record_run(lake: Lake, job: str, args: argparse.Namespace, seconds: float) -> None:
    """Write what was made from what: one row of `runs`."""
    row = (
        uuid.uuid4().hex, job, arguments_of(args), code_version(), args.seed,
        json.dumps(lake.inputs), json.dumps(lake.outputs), lake.n_rows, lake.n_quarantined,
        seconds, datetime.now(UTC),
    )  # fmt: skip
    inputs, outputs, n_rows = dict(lake.inputs), dict(lake.outputs), lake.n_rows
    lake.upsert_rows([row], RUNS)
    lake.inputs, lake.outputs, lake.n_rows = inputs, outputs, n_rows


def say(what: str, told: dict) -> None:
    """Print what a training tells on one line: an epoch's figures, progress, or a warning."""
    if told["kind"] == "epoch":
        _say_epoch(what, told)
    elif told["kind"] == "progress":
        minutes, seconds = divmod(round(told["eta_s"]), 60)
        console.print(
            f"  [dim]{what}  epoch {told['epoch']}/{told['n_epochs']}  step {told['step']}/{told['n_steps']}  "
            f"loss {told['loss']:.4f}  {told['triplets_per_s']:,.0f} triplets/s  "
            f"{told['waiting']:.0%} waiting for data  {minutes} min {seconds:02d} s to go[/]"
        )
    else:
        console.print(f"  [yellow]{what}: {told['text']}[/]")


def _say_epoch(what: str, epoch: dict) -> None:
    accuracy = epoch["validation_nn_accuracy"]
    console.print(
        f"  {what}  epoch {epoch['epoch']:>3}  loss {epoch['loss']:.4f}  validation nearest neighbour "
        f"{'-' if accuracy is None else f'{accuracy:.1%}'}  "
        f"{epoch['n_triplets'] / max(epoch['seconds'], 1e-9):,.0f} triplets/s"
    )


def announce(text: str) -> None:
    """Print what is being done now."""
    console.print(f"  [dim]{text}[/]")
