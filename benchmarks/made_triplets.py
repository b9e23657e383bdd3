"""Synthetic tensors and triplets as files of two snapshots, for the benchmarks of readers and training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from covers.audio.extract import pack_tensor
from covers.audio.features import parameters
from covers.io.delta_reader import Snapshot
from covers.schemas.triplets import TRIPLETS

SECONDS = 60.0  # of a recording
VERSIONS = 4  # recordings of a work
A_FILE = 200  # recordings


def made_tensor(representation: str, number: int) -> np.ndarray:
    """Return a tensor (n_bins, T) that compresses about as real ones do: slow, and a little noise."""
    p, rng = parameters(representation), np.random.default_rng(number)
    n_frames = round(SECONDS * p.frames_per_second)
    coarse = rng.random((p.n_bins, n_frames // 4 + 1)).repeat(4, axis=1)[:, :n_frames]
    x = coarse**3 + 0.05 * rng.random((p.n_bins, n_frames))
    return (80 * (x - 1) if representation == "log_mel" else x).astype(np.float32)


def snapshots(
    folder: Path, representation: str, n_recordings: int, n_triplets: int
) -> tuple[Snapshot, Snapshot]:
    """Write both tables as parquet files and return their snapshots."""
    tables = {"spectrograms": _spectrograms(representation, n_recordings)}
    tables["triplets"] = iter([_triplets(n_recordings, n_triplets)])
    found = []
    for name, files in tables.items():
        paths, n_rows = [], 0
        for number, table in enumerate(files):
            paths.append(str(folder / f"{name}-{representation}-{number:04d}.parquet"))
            pq.write_table(table, paths[-1])
            n_rows += len(table)
        found.append(Snapshot(name, 1, tuple(paths), n_rows))
    return found[0], found[1]


def _spectrograms(representation: str, n: int) -> Iterator[pa.Table]:
    p = parameters(representation)
    for first in range(0, n, A_FILE):
        yield pa.Table.from_pylist(
            [
                {"recording_id": _name(number), "sha256": "0" * 64}
                | pack_tensor(made_tensor(representation, number), p)
                for number in range(first, min(first + A_FILE, n))
            ]
        )


def _triplets(n_recordings: int, n: int) -> pa.Table:
    rng, rows = np.random.default_rng(0), []
    n_works = n_recordings // VERSIONS
    for number in range(n):
        anchor = number % n_recordings
        work = anchor // VERSIONS
        positive = work * VERSIONS + (anchor + 1) % VERSIONS
        other = (work + 1 + int(rng.integers(n_works - 1))) % n_works
        names = [_name(i) for i in (anchor, positive, other * VERSIONS)]
        rows.append(
            ("clique", 1, "train", names[0], number // n_recordings, *names[1:], "clique", "", f"w{work}",
             f"w{other}", 0.0, 0.0)
        )  # fmt: skip
    columns = zip(*rows, strict=True)
    return pa.table(dict(zip(TRIPLETS.column_names, columns, strict=True)))


def _name(number: int) -> str:
    return f"r{number:06d}"
