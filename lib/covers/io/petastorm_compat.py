"""petastorm 0.13.1 on current pyarrow and numpy, patched so that it loses no rows.

Import this module before petastorm. petastorm imports names that pyarrow (since 15) and numpy (since 2)
have removed; the substitutes below are visible to petastorm's modules alone. They cover what this project
uses: lists of local Parquet files, read by the thread or dummy pool. Remote URIs are not supported.

The lost rows: ``ThreadPool.get_results`` checks that all workers are done before it checks that all items
were handed out. If the last items are handed out in between, the read ends early and without an error (a
third of reads with one worker). In the opposite order no read lost a row.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet as real_parquet

_MODULES = (
    "petastorm.reader",
    "petastorm.arrow_reader_worker",
    "petastorm.py_dict_reader_worker",
    "petastorm.etl.dataset_metadata",
    "petastorm.etl.rowgroup_indexing",
)


class LocalFileSystem:
    """The part of pyarrow's old local file system that petastorm calls."""

    _instance: LocalFileSystem | None = None

    def __new__(cls) -> LocalFileSystem:
        """Return the one instance."""
        cls._instance = cls._instance or super().__new__(cls)
        return cls._instance

    def __reduce__(self) -> tuple:
        return (LocalFileSystem, ())

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open a file."""
        return open(path, mode)

    def exists(self, path: str) -> bool:
        """Return whether the path exists."""
        return os.path.exists(path)

    def isdir(self, path: str) -> bool:
        """Return whether the path is a folder."""
        return os.path.isdir(path)

    def isfile(self, path: str) -> bool:
        """Return whether the path is a file."""
        return os.path.isfile(path)


class HadoopFileSystem:
    """Only ever asked for by isinstance."""


class Piece:
    """One file, or one row group of it (the old ParquetDatasetPiece)."""

    def __init__(
        self,
        path: str,
        open_file_func: Any = open,
        row_group: int | None = None,
        partition_keys: Sequence = (),
        **_: Any,
    ) -> None:
        self.path, self.row_group, self.partition_keys = path, row_group, list(partition_keys or [])

    def open(self) -> real_parquet.ParquetFile:
        """Open the file."""
        return real_parquet.ParquetFile(self.path)

    def get_metadata(self) -> Any:
        """Return the footer."""
        with self.open() as file:
            return file.metadata

    def read(self, columns: Any = None, **_: Any) -> pa.Table:
        """Read the row group, or the whole file."""
        columns = None if columns is None else sorted(columns)
        with self.open() as file:
            if self.row_group is None:
                return file.read(columns=columns)
            return file.read_row_group(self.row_group, columns=columns)


class Dataset:
    """The part of the old ParquetDataset that petastorm touches: a list of files."""

    def __init__(
        self, path_or_paths: Any, filesystem: Any = None, filters: Any = None, **_: Any
    ) -> None:
        if filters:
            raise NotImplementedError(
                f"files must be chosen before the reader, got filters {filters}"
            )
        self.paths, self.fs = path_or_paths, filesystem or LocalFileSystem()
        self.partitions = None
        self.metadata_path = self.common_metadata_path = None
        self.metadata = self.common_metadata = None
        files = list(path_or_paths) if isinstance(path_or_paths, (list, tuple)) else [path_or_paths]
        self.pieces = [Piece(path) for path in files]

    @property
    def schema(self) -> Any:
        """Schema of the first file."""
        return self.pieces[0].get_metadata().schema


def install() -> None:
    """Add the missing names to pyarrow and numpy, and patch petastorm's thread pool."""
    for name, kind in (("unicode_", np.str_), ("string_", np.bytes_)):
        if not hasattr(np, name):
            setattr(np, name, kind)
    local, hdfs = types.ModuleType("pyarrow.filesystem"), types.ModuleType("pyarrow.hdfs")
    vars(local).update(LocalFileSystem=LocalFileSystem, FileSystem=LocalFileSystem)
    vars(hdfs).update(HadoopFileSystem=HadoopFileSystem)
    sys.modules.setdefault("pyarrow.filesystem", local)
    sys.modules.setdefault("pyarrow.hdfs", hdfs)
    vars(pa).update(
        filesystem=local, hdfs=hdfs, LocalFileSystem=LocalFileSystem, localfs=LocalFileSystem()
    )
    parquet = types.ModuleType("petastorm_parquet")
    vars(parquet).update({k: v for k, v in vars(real_parquet).items() if not k.startswith("__")})
    vars(parquet).update(ParquetDataset=Dataset, ParquetDatasetPiece=Piece)
    for name in _MODULES:
        module = importlib.import_module(name)
        if hasattr(module, "pq"):
            vars(module)["pq"] = parquet
    _patch_thread_pool()


def _patch_thread_pool() -> None:
    from petastorm.workers_pool.thread_pool import ThreadPool

    original = ThreadPool.all_workers_done

    def all_workers_done(self: Any) -> bool:
        if self._ventilator and not self._ventilator.completed():
            return False
        return original(self)

    ThreadPool.all_workers_done = all_workers_done


install()
