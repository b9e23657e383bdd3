"""Jobs as programs: arguments, exit codes, the summary, the row in table `runs`."""

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
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession

import covers
from covers.cli.console import Summary, show
from covers.errors import InputError, TrainingFailed
from covers.io.lake import Lake
from covers.io.spark import spark_session
from covers.schemas.runs import RUNS
from covers.schemas.table import Table

DONE, INTERNAL_ERROR, BAD_ARGUMENTS, BAD_INPUT, QUARANTINED, TRAINING_FAILED, INTERRUPTED = (
    0, 1, 2, 3, 4, 5, 130,
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A spark-submit entry: its arguments, its work, the tables it reads and writes.

    Attributes
    ----------
    name : str
        Also the module's name in `jobs`.
    parse_args : Callable
        Command line to namespace; None stands for the program's own.
    run : Callable
        Does the work; returns the summary.
    reads : tuple of Table, or Callable
        Tables that must exist; a function where it depends on the arguments.
    writes : tuple of Table
        Tables that may get rows.
    files : Callable
        Files read, as path and hash: what a step's up-to-date check compares besides tables.
    """

    name: str
    parse_args: Callable[[list[str] | None], argparse.Namespace]
    run: Callable[[Lake, argparse.Namespace], Summary]
    reads: tuple[Table, ...] | Callable[[argparse.Namespace], tuple[Table, ...]] = ()
    writes: tuple[Table, ...] = ()
    files: Callable[[argparse.Namespace], dict[str, str]] = lambda args: {}

    def main(self, argv: list[str] | None = None) -> None:
        """Run the job as a program; never returns."""
        path = os.environ.get("COVERS_STDERR")  # a file: see spark-submit.sh
        stderr = open(path, "a", buffering=1) if path else sys.stderr  # noqa: SIM115 (until exit)
        with contextlib.redirect_stderr(stderr):
            args = self.parse_args(argv)
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            sys.exit(guarded(lambda: self.execute(spark_session(self.name), args)))

    def execute(self, spark: SparkSession, args: argparse.Namespace) -> int:
        """Run with parsed arguments, print the summary, record the run.

        Returns
        -------
        int
            Exit code: DONE, or QUARANTINED if too much of the input was rejected.
        """
        lake = Lake(spark, args.lake.rstrip("/"), args.files, self.name)
        if args.dry_run:
            show(f"{self.name} (dry run: nothing is written)", self.plan(lake, args))
            return DONE
        started = time.monotonic()
        summary = dict(self.run(lake, args))
        seconds = time.monotonic() - started
        lake.inputs |= self.files(args)
        record_run(lake, self.name, args, seconds)
        outcome = f"{lake.n_rows:,} rows written" if self.writes else "done"
        show(f"{self.name} · {outcome} in {seconds:.1f} s", summary)
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
        """Return the tables that a run would read and write, with their rows now.

        Raises
        ------
        InputError
            If a table that is read does not exist.
        """
        tables = self.reads(args) if callable(self.reads) else self.reads
        missing = [t.name for t in tables if not lake.exists(t)]
        if missing:
            raise InputError(
                f"tables read by {self.name} must exist, got none for {missing} in {lake.uri!r}"
            )
        return {
            "reads": [{"table": t.name, "rows": lake.count(t)} for t in tables],
            "writes": [{"table": t.name, "rows": lake.count(t)} for t in self.writes],
        }


def guarded(action: Callable[[], int]) -> int:
    """Run ``action``; turn its errors into one line on standard error and an exit code."""
    try:
        return action()
    except InputError as error:
        return _complain(error, BAD_INPUT)
    except TrainingFailed as error:
        return _complain(error, TRAINING_FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted; tables are consistent, run it again to resume", INTERRUPTED)
    except Exception as error:
        folder = Path(os.environ.get("COVERS_LOGS", tempfile.gettempdir()))
        log = folder / f"covers-{uuid.uuid4().hex[:8]}.log"
        log.write_text(traceback.format_exc())
        line = str(error).strip().splitlines()
        return _complain(
            f"internal error: {type(error).__name__}: {line[0] if line else ''}; trace in {log}",
            INTERNAL_ERROR,
        )


def _complain(error: object, code: int) -> int:
    sys.stderr.write(" ".join(str(error).split()) + "\n")
    return code


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
        git = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return covers.__version__
    return git.stdout.strip() if git.returncode == 0 else covers.__version__


def record_run(lake: Lake, job: str, args: argparse.Namespace, seconds: float) -> None:
    """Write the lineage of a run, one row of `runs`: arguments, code, versions read and written."""
    row = (
        uuid.uuid4().hex, job, arguments_of(args), code_version(), args.seed,
        json.dumps(lake.inputs), json.dumps(lake.outputs), lake.n_rows, lake.n_quarantined,
        seconds, datetime.now(UTC),
    )  # fmt: skip
    inputs, outputs, n_rows = dict(lake.inputs), dict(lake.outputs), lake.n_rows
    lake.upsert_rows([row], RUNS)
    lake.inputs, lake.outputs, lake.n_rows = inputs, outputs, n_rows
