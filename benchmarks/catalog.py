"""The catalogue's jobs at growing sizes, beside pandas and scikit-learn doing the same.

python -m benchmarks.catalog --catalog "Music Info.csv" --rows 50000 1000000 10000000

The larger catalogues are synthetic: the real rows (or, without --catalog, the demo's) many times,
danceability, energy, valence and tempo jittered. Both sides run on two cores. The first size also
warms Java up. Processor seconds say more than the clock where others use the machine too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from deltalake import DeltaTable
from pyarrow import Table, csv
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import CORES, session
from covers import jobs
from covers.synthesis.demo import demo_catalog

ROOT = Path(__file__).resolve().parent.parent
RIVAL = (sys.executable, "-m", "benchmarks.catalog_rival")
CHUNK = 500_000  # rows of one CSV file
STEPS = {
    "ingest_catalog": (),
    "compute_features": (),
    "cluster_tracks": (),
    "score_similarity": (),
    "train_similarity_regressor": ("--workers", str(CORES)),
    "train_cluster_classifier": ("--preset", "shuffled", "--epochs", "1"),
    "assign_clusters": (),
}


def jittered(base: pd.DataFrame, copy: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a copy of a catalogue with its attributes moved a little and ids of its own."""
    moved = base.assign(track_id=base["track_id"] + f"-{copy:04d}")
    for name in ("danceability", "energy", "valence"):
        moved[name] = np.clip(base[name] + rng.normal(0, 0.02, len(base)), 0, 1).round(4)
    moved["tempo"] = (base["tempo"] * rng.uniform(0.98, 1.02, len(base))).round(3)
    return moved


def write_catalog(base: pd.DataFrame, n_rows: int, folder: Path) -> None:
    """Write ``n_rows`` rows as CSV files; the first copy is the catalogue itself."""
    rng = np.random.default_rng(0)
    written, held = 0, []
    for copy in range(-(-n_rows // len(base))):
        part = jittered(base, copy, rng) if copy else base
        held.append(part.iloc[: n_rows - written])
        written += len(held[-1])
        if sum(map(len, held)) >= CHUNK or written == n_rows:
            table = Table.from_pandas(pd.concat(held), preserve_index=False)
            csv.write_csv(table, folder / f"part-{copy:05d}.csv")
            held = []


class Usage(threading.Thread):
    """What this process and its children use: peaks of memory [MiB], processor time [s].

    ``driver`` is Python's alone; ``everything`` is Java's and the workers' too, which in local mode
    are driver and executor in one.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.me, self.over = psutil.Process(), threading.Event()
        self.driver = self.everything = 0.0
        self.before = self.processor()

    def processor(self) -> float:
        """Return processor seconds of the whole family so far."""
        seconds = 0.0
        for process in (self.me, *self.me.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                seconds += times.user + times.system
        return seconds

    def run(self) -> None:
        """Look at the memory every 0.3 s."""
        while not self.over.wait(0.3):
            total = self.me.memory_info().rss
            self.driver = max(self.driver, total / 2**20)
            for process in self.me.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
            self.everything = max(self.everything, total / 2**20)


Figures = tuple[float, float, float, float]


def of_spark(spark: SparkSession, folder: Path, seed_track: str) -> dict[str, Figures]:
    """Return seconds, processor seconds and peaks of every job on the CSV files of a folder."""
    lake, found = str(folder / "lake"), {}
    for name, flags in STEPS.items():
        flags = {
            "ingest_catalog": ("--catalog", str(folder / "csv")),
            "score_similarity": ("--track-id", seed_track),
        }.get(name, flags)
        if name == "assign_clusters":  # a tenth of the tracks become new ones
            DeltaTable(f"{lake}/track_clusters").delete("track_id LIKE '%7'")
        job, usage, started = jobs.load(name), Usage(), time.perf_counter()
        usage.start()
        with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
            code = job.execute(spark, job.parse_args(["--lake", lake, *flags]))
        usage.over.set()
        if code:
            raise RuntimeError(f"exit code must be 0, got {code} of {name}")
        used = usage.processor() - usage.before
        found[name] = (time.perf_counter() - started, used, usage.driver, usage.everything)
        spark.catalog.clearCache()
        console.print(
            "  {}: {:.0f} s, CPU {:.0f} s, {:,.0f} and {:,.0f} MiB".format(name, *found[name])
        )
    return found


def of_rival(folder: Path, seed_track: str) -> dict[str, tuple[float, float, float]]:
    """Return seconds, processor seconds and peak memory of every step in pandas and scikit-learn."""
    said = folder / "rival.json"
    cores = {"OMP_NUM_THREADS": str(CORES)}
    command = [*RIVAL, str(folder / "csv"), seed_track, str(folder / "out"), str(said)]
    subprocess.run(command, cwd=ROOT, env=os.environ | cores, check=True)
    return {step: tuple(values) for step, values in json.loads(said.read_text()).items()}


console = Console(width=110, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--catalog", metavar="CSV", help="real rows (default: the demo's)")
    parser.add_argument("--rows", nargs="+", type=int, default=[50_000, 200_000], metavar="N")
    parser.add_argument("--no-rival", action="store_true", help="only the jobs")
    asked = parser.parse_args()
    base = pd.read_csv(asked.catalog) if asked.catalog else demo_catalog([], 50_000, 0)
    seed_track = str(base["track_id"].iloc[0])
    spark = session()
    for n_rows in asked.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "csv").mkdir()
            write_catalog(base, n_rows, folder / "csv")
            console.print(f"{n_rows:,} rows")
            ours = of_spark(spark, folder, seed_track)
            theirs = {} if asked.no_rival else of_rival(folder, seed_track)
        show(n_rows, ours, theirs)


def show(n_rows: int, ours: dict, theirs: dict) -> None:
    """Print one size: jobs beside the rival."""
    columns = ("job", "s", "CPU s", "CPU µs a row", "driver MiB", "with executor")
    grid = Grid(*columns, "rival s", "CPU s", "peak MiB", title=f"{n_rows:,} rows")
    for job, (seconds, used, driver, everything) in ours.items():
        rival = theirs.get(job)
        grid.add_row(
            job, f"{seconds:.1f}", f"{used:.1f}", f"{1e6 * used / n_rows:.1f}", f"{driver:,.0f}",
            f"{everything:,.0f}",
            *((f"{rival[0]:.1f}", f"{rival[1]:.1f}", f"{rival[2]:,.0f}") if rival else ("",) * 3),
        )  # fmt: skip
    (seconds, used), rival = (
        [f"{sum(row[i] for row in rows.values()):.1f}" for i in (0, 1)] for rows in (ours, theirs)
    )
    grid.add_row("together", seconds, used, f"{1e6 * float(used) / n_rows:.1f}", "", "", *rival, "")
    console.print(grid)


if __name__ == "__main__":
    main()
