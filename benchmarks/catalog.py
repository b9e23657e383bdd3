"""The catalogue's jobs at growing sizes, beside pandas and scikit-learn doing the same.

python -m benchmarks.catalog --catalog "Music Info.csv" --rows 50000 1000000 10000000

The larger catalogues are synthetic: the real rows (or, without --catalog, the demo's) many times,
danceability, energy, valence and tempo jittered. Both sides run on two cores. Times are wall clock
without the session's start, and processor seconds with everything: the second say more where others
use the machine too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from deltalake import DeltaTable, QueryBuilder
from pyarrow import Table, csv
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import CORES
from lib.audio.synthesis import demo_catalog

ROOT = Path(__file__).resolve().parent.parent
RIVAL = (sys.executable, "-m", "benchmarks.catalog_rival")
CHUNK = 500_000  # rows of one CSV file
STEPS = {
    "ingest_catalog": (),
    "compute_features": (),
    "cluster_tracks": (),
    "score_similarity": (),
    "train_similarity_regressor": ("--num-workers", str(CORES)),
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


class Peak(threading.Thread):
    """Watches a process and its children: peak memory of the driver's Python and of all [MiB]."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.driver, self.everything = process, 0.0, 0.0

    def run(self) -> None:
        """Look every 0.3 s until the process ends."""
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            try:
                family = [self.process, *self.process.children(recursive=True)]
                sizes = {p: p.memory_info().rss / 2**20 for p in family}
                drivers = [size for p, size in sizes.items() if _is_driver(p)]
            except psutil.Error:
                continue
            self.everything = max(self.everything, sum(sizes.values()))
            self.driver = max([self.driver, *drivers])
            time.sleep(0.3)


def _is_driver(process: psutil.Process) -> bool:
    """Tell the Python process that runs the job, not Java's and not the workers'."""
    command = process.cmdline()
    return "python" in process.name() and any(p.startswith(f"{ROOT}/jobs/") for p in command)


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Run to the end; return processor time [s], the peaks of driver and of everything [MiB]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = psutil.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL
    )
    peak = Peak(psutil.Process(process.pid))
    peak.start()
    code = process.wait()
    peak.join()
    if code:
        raise RuntimeError(f"exit code must be 0, got {code} of {command}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return seconds, peak.driver, peak.everything


def of_spark(folder: Path, seed_track: str) -> dict[str, tuple[float, float, float, float]]:
    """Return seconds, processor seconds and peaks of every job on the CSV files of a folder."""
    lake, found = folder / "lake", {}
    for job, flags in STEPS.items():
        flags = {
            "ingest_catalog": ("--catalog", str(folder / "csv")),
            "score_similarity": ("--track-id", seed_track),
        }.get(job, flags)
        if job == "assign_clusters":  # a tenth of the tracks become new ones
            DeltaTable(lake / "track_clusters").delete("track_id LIKE '%7'")
        command = ["./spark-submit.sh", job, "--lake", str(lake), *flags]
        used = run(command, {"MASTER": f"local[{CORES}]", "DRIVER_MEMORY": "2g"})
        runs = QueryBuilder().register("runs", DeltaTable(lake / "runs"))
        sql = f"SELECT seconds FROM runs WHERE job = '{job}'"
        found[job] = (runs.execute(sql).read_all().column("seconds")[0].as_py(), *used)
        console.print(
            "  "
            + job
            + ": {:.0f} s, CPU {:.0f} s, driver {:,.0f}, all {:,.0f} MiB".format(*found[job])
        )
    return found


def of_rival(folder: Path, seed_track: str) -> dict[str, tuple[float, float, float]]:
    """Return seconds, processor seconds and peak memory of every step in pandas and scikit-learn."""
    said = folder / "rival.json"
    cores = {"OMP_NUM_THREADS": str(CORES)}
    run([*RIVAL, str(folder / "csv"), seed_track, str(folder / "out"), str(said)], cores)
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
    for n_rows in asked.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "csv").mkdir()
            write_catalog(base, n_rows, folder / "csv")
            console.print(f"{n_rows:,} rows")
            ours = of_spark(folder, seed_track)
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
