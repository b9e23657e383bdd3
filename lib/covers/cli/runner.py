"""Running a pipeline's steps: those that are up to date are skipped.

*Conventions.* A step is up to date when its last run had the same arguments and code, its files
are unchanged, and since then no job but itself and the steps after it changed a table that it
read (Delta's history has the author of every version).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import functions as F

from covers.cli.console import announce
from covers.cli.job import QUARANTINED, Job, arguments_of, code_version
from covers.cli.pipeline import Step
from covers.io.lake import Lake
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.registry import TABLES
from covers.schemas.runs import RUNS


def is_up_to_date(lake: Lake, job: Job, args: argparse.Namespace, later: set[str]) -> bool:
    """Return whether running the step again would change nothing.

    Parameters
    ----------
    lake, job, args
        The step.
    later : set of str
        Names of this job and of those that run after it: they may have changed what it read.
    """
    if not lake.exists(RUNS) or not (job.writes or job.files(args)):
        return False
    same = (F.col("job") == job.name) & (F.col("arguments") == arguments_of(args))
    rows = lake.spark.table(lake.identifier(RUNS)).where(
        same & (F.col("code_version") == code_version())
    )
    last = rows.orderBy(F.desc("finished_at")).select("inputs").head()
    if last is None:
        return False
    inputs = json.loads(last["inputs"])
    versions = [(t, inputs.pop(t.name)) for t in TABLES if t.name in inputs]  # the rest are files
    return job.files(args) == inputs and not any(
        lake.changed_since(table, version, but_by=later) for table, version in versions
    )


def run_steps(
    lake: Lake, steps: Sequence[Step], common: list[str], load_job: Callable[[str], Job]
) -> list[dict]:
    """Run what is not up to date.

    Parameters
    ----------
    lake : Lake
        Where the steps read and write.
    steps : Sequence[Step]
        In order.
    common : list of str
        Arguments of every step.
    load_job : Callable
        Returns a job by name; it is called when the job's step comes.

    Returns
    -------
    list of dict
        One row a step: step, arguments, outcome, seconds.

    Raises
    ------
    InputError, TrainingFailed
        As the step that failed does; steps before it stay done.
    """
    done = []
    for number, step in enumerate(steps, 1):
        job = load_job(step.job)
        args = job.parse_args([*common, *step.argv])
        started = time.monotonic()
        announce(f"[{number}/{len(steps)}] {step.job} {' '.join(step.argv)}")
        if is_up_to_date(lake, job, args, {later.job for later in steps[number - 1 :]}):
            outcome = "up to date"
        else:
            code = job.execute(lake.spark, args)
            outcome = "done, some quarantined" if code == QUARANTINED else "done"
        seconds = round(time.monotonic() - started, 1)
        arguments = " ".join(step.argv)[:48]
        done.append(
            {"step": step.job, "arguments": arguments, "outcome": outcome, "seconds": seconds}
        )
    return done


# Of each evaluation, in short: the networks as a search uses them, and what they must beat.
SYSTEMS = {
    "search": "trained here", "shipped": "shipped", "untrained": "untrained", "qmax": "Qmax",
    "fourier2d": "2-D Fourier", "raw_features": "no network", "chance": "chance",
}  # fmt: skip


def leaderboard(lake: Lake) -> list[dict]:
    """Return MAP, P@1 and triplet accuracy of the main systems in the lake's evaluations, best first."""
    metrics: list[Any] = ["map", "p_at_1", "triplet_accuracy"]
    rows = lake.spark.table(lake.identifier(EVALUATIONS)).where(
        F.col("metric").isin(metrics)
        & F.col("system").isin(*SYSTEMS)
        & (F.col("setting") == "whole recordings")
    )
    wide = rows.groupBy("data_set", "evaluation_id", "system").pivot("metric", metrics)
    best = wide.agg(F.first("value")).orderBy("data_set", F.desc("map")).limit(20)
    return [
        {"data_set": r["data_set"], "system": SYSTEMS[r["system"]]} | {m: r[m] for m in metrics}
        for r in best.collect()
    ]
