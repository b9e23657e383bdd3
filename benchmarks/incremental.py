"""What a second run costs: nothing new, and one file in a hundred new.

python -m benchmarks.incremental --audio FOLDER
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import soundfile
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import session
from covers.audio import manifest
from covers.jobs import decode_audio, ingest_recordings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", required=True, metavar="FOLDER", help="at least 100 files")
    asked = parser.parse_args()
    spark = session()
    paths = [x.uri for x in manifest.list_folder(asked.audio, "x", "flat")]
    hours = sum(soundfile.info(path).duration for path in paths) / 3600
    grid = Grid("run", "ingest_recordings [s]", "decode_audio [s]", "together", "of the first")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        for number, path in enumerate(paths):
            (tree / f"{number:05d}{Path(path).suffix}").hardlink_to(path)
        lake = ["--lake", f"{folder}/lake"]
        first = 0.0
        for name in ("warm-up, 2 files", "all new", "nothing new", "1% new"):
            where = tree
            if name.startswith("warm-up"):
                where = Path(folder) / "few"
                where.mkdir()
                for path in paths[:2]:
                    shutil.copy(path, where)
            if name == "1% new":
                for number in range(max(1, len(paths) // 100)):
                    path = next(tree.glob(f"{number:05d}.*"))
                    data = path.read_bytes()
                    path.unlink()  # it is a link: the original stays
                    path.write_bytes(data[: int(0.98 * len(data))])
            data_set = ["--data-set", where.name, "--audio-root", str(where), "--layout", "flat"]
            times = []
            for job, argv in ((ingest_recordings, data_set), (decode_audio, [])):
                started = time.perf_counter()
                job.JOB.execute(spark, job.parse_args([*lake, *argv]))
                times.append(time.perf_counter() - started)
            first = sum(times) if name == "all new" else first
            share = f"{sum(times) / first:.1%}" if first else ""
            grid.add_row(name, *(f"{t:.1f}" for t in times), f"{sum(times):.1f}", share)
    console = Console(width=100)
    console.print(grid)
    console.print(f"{len(paths)} files, {hours:.1f} hours of audio, 2 cores")


if __name__ == "__main__":
    main()
