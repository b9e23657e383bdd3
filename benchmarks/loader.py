"""Rows a second of the two Delta readers, compared with tensors in memory and with webdataset.

python -m benchmarks.loader
python -m benchmarks.loader --webdataset other/bin/python    # python -m venv other; pip install webdataset

All give the same tensors, uncompressed, on one core. A training reads them so once, at its start; its steps
then read a memory-mapped file (`benchmarks.training` measures how long they wait).
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from rich.console import Console
from rich.table import Table as Grid
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.made_triplets import made_tensor, snapshots
from covers.audio import quantize
from covers.io.delta_reader import Snapshot, read_rows
from covers.training.dataset import read_tensors

COLUMNS = ["recording_id", "shape", "scale", "offset", "tensor"]
WEBDATASET = """
import json, sys, time, zlib
import numpy, webdataset
started, n, total = time.perf_counter(), 0, 0
for row in webdataset.WebDataset(json.loads(sys.argv[1]), shardshuffle=False):
    shape = json.loads(row["json"])
    total += int(numpy.frombuffer(zlib.decompress(row["zlib"]), numpy.uint8).reshape(shape)[0, 0])
    n += 1
print(json.dumps([n, time.perf_counter() - started]))
"""


def read_all(snapshot: Snapshot, reader: str) -> int:
    """Read every tensor of a snapshot, return how many."""
    n = 0
    for batch in read_rows(snapshot, COLUMNS, reader=reader):
        for data, shape in zip(batch["tensor"], batch["shape"], strict=True):
            quantize.stored_bytes(data, tuple(int(s) for s in shape))
            n += 1
    return n


def in_memory(snapshot: Snapshot) -> Callable[[], int]:
    """Return a reader of the same tensors in memory: the upper bound."""
    with tempfile.TemporaryDirectory() as folder:
        store = read_tensors(snapshot, "chroma", folder)
        tensors = np.stack([store.tensor(row) for row in range(len(store.rows))])
    data = DataLoader(TensorDataset(torch.from_numpy(tensors)), batch_size=32)
    return lambda: sum(len(x) for (x,) in data)


def shards(snapshot: Snapshot, folder: Path) -> list[str]:
    """Write the same rows as webdataset's shards, a shard a file."""
    made = []
    for path in snapshot.paths:
        made.append(str(folder / f"{Path(path).stem}.tar"))
        with tarfile.open(made[-1], "w") as tar:
            for row in pq.read_table(path, columns=COLUMNS).to_pylist():
                for suffix, data in (
                    ("zlib", row["tensor"]),
                    ("json", json.dumps(row["shape"]).encode()),
                ):
                    info = tarfile.TarInfo(f"{row['recording_id']}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=4_000, metavar="N")
    parser.add_argument("--webdataset", metavar="PYTHON", help="one that has webdataset")
    asked = parser.parse_args()
    console = Console(width=100)
    grid = Grid("reader", "rows/s", "MB/s uncompressed", "of the upper bound")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot, _ = snapshots(folder, "chroma", asked.recordings, 1)
        readers = {
            "in memory, DataLoader (upper bound)": in_memory(snapshot),
            "petastorm": lambda: read_all(snapshot, "petastorm"),
            "pyarrow": lambda: read_all(snapshot, "arrow"),
        }
        rates = {}
        read_all(snapshot, "petastorm")  # its imports, and the files into the system's memory
        for title, read in readers.items():
            started = time.perf_counter()
            n = read()
            rates[title] = n / (time.perf_counter() - started)
        if asked.webdataset:
            command = [asked.webdataset, "-c", WEBDATASET, json.dumps(shards(snapshot, folder))]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            n, seconds = json.loads(done.stdout)
            rates["webdataset"] = n / seconds
    size = made_tensor("chroma", 0).size  # bytes: all are as long
    upper_bound = next(iter(rates.values()))
    for title, rate in rates.items():
        grid.add_row(title, f"{rate:,.0f}", f"{rate * size / 1e6:.1f}", f"{rate / upper_bound:.3f}")
    console.print(grid)


if __name__ == "__main__":
    main()
