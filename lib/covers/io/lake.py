"""The lake: where tables are, at which version they are read, how rows are written.

*Conventions.* A lake is a folder (any Hadoop URI) with one Delta table a sub-folder, or
``schema:main.covers``, tables of a metastore schema. Tables are created from `schemas` only.
Every read is pinned to a version; `Lake.inputs` and `Lake.outputs` hold the versions, for `runs`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from covers.errors import InputError
from covers.io import upsert
from covers.io.delta_reader import Snapshot, open_snapshot
from covers.io.upsert import check_columns, retry_on_conflict
from covers.schemas.table import Table

_MAINTENANCE = ("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES")


@dataclass
class Lake:
    """Tables and files under one URI, through one Spark session.

    ``author`` is written as `userMetadata` into the Delta history of every version.
    """

    spark: SparkSession
    uri: str
    files_uri: str | None = None
    author: str = ""
    inputs: dict[str, int | str] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    n_rows: int = 0
    n_quarantined: int = 0

    def __post_init__(self) -> None:
        """Make a folder's path absolute: Delta refuses relative ones."""
        if not re.match(r"^[a-z0-9]+:", self.uri):
            self.uri = os.path.abspath(self.uri)

    @property
    def schema(self) -> str | None:
        """Metastore schema, or None for a lake of folders."""
        return self.uri.removeprefix("schema:") if self.uri.startswith("schema:") else None

    @property
    def files(self) -> str:
        """Folder of model files and other files that are not tables."""
        if self.files_uri is None and self.schema:
            raise InputError(
                f"a lake in a metastore must have a folder for model files, got only {self.uri!r}; "
                "add --files URI"
            )
        return (self.files_uri or f"{self.uri}/files").rstrip("/")

    def identifier(self, table: Table) -> str:
        """Name of the table in SQL."""
        if self.schema:
            return f"{self.schema}.{table.name}"
        return f"delta.`{self.uri.rstrip('/')}/{table.name}`"

    def exists(self, table: Table) -> bool:
        """Return whether the table exists."""
        if self.schema:
            return self.spark.catalog.tableExists(self.identifier(table))
        return DeltaTable.isDeltaTable(self.spark, f"{self.uri.rstrip('/')}/{table.name}")

    def ensure(self, table: Table) -> bool:
        """Create the table if it does not exist, and check its columns; return whether it is new."""
        is_new = not self.exists(table)
        if is_new:
            if self.schema:
                self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
            self._sign()
            self.spark.sql(table.ddl(self.identifier(table)))
        found = self.spark.table(self.identifier(table)).schema
        check_columns(table, {f.name: f.dataType.simpleString() for f in found})
        return is_new

    def version(self, table: Table) -> int:
        """Newest version of the table; -1 if there is no table."""
        if not self.exists(table):
            return -1
        return self._delta(table).history(1).select("version").collect()[0][0]

    def changed_since(self, table: Table, version: int, *, but_by: Iterable[str] = ()) -> bool:
        """Return whether an author not in ``but_by`` may have changed rows after this version.

        Maintenance (OPTIMIZE, VACUUM) does not count: it only moves rows.
        """
        if not self.exists(table):
            return True
        later = self._delta(table).history().where(F.col("version") > version)
        author = F.coalesce("userMetadata", F.lit(""))
        by_another = ~F.col("operation").isin(*_MAINTENANCE) & ~author.isin(*but_by)
        return not later.where(by_another).isEmpty()

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Return the table at one version, by default the newest.

        Raises
        ------
        InputError
            If there is no such table.
        SchemaMismatch
            If its columns are not the schema's.
        """
        version = self._pinned(table, version)
        frame = self.spark.sql(f"SELECT * FROM {self.identifier(table)} VERSION AS OF {version}")
        check_columns(table, dict(frame.dtypes))
        return frame

    def upsert(self, rows: DataFrame, table: Table, *, delete_absent: str | None = None) -> int:
        """Merge ``rows`` into the table by its key; return how many rows were given.

        New keys are inserted, changed rows updated, equal rows kept, so that a second run writes
        nothing. If another job wrote in the meantime, it compares and merges again.
        ``delete_absent``: a condition on the table (as ``t``); its rows that meet it and are not in
        ``rows`` are deleted.

        Raises
        ------
        SchemaMismatch
            If the columns are not the table's, or two rows have the same key.
        """
        check_columns(table, dict(rows.dtypes))
        rows = rows.select(*table.column_names).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            return retry_on_conflict(self._upsert, rows, table, delete_absent)
        finally:
            rows.unpersist()

    def _upsert(self, rows: DataFrame, table: Table, delete_absent: str | None) -> int:
        current = None if self.ensure(table) else self.spark.table(self.identifier(table))
        found = upsert.differences(rows, current, table)
        n_absent = 0
        if delete_absent and current is not None:
            n_absent = upsert.count_absent(rows, current, table, delete_absent)
        if found.n_new or found.n_changed or n_absent:
            self._sign()
            condition = delete_absent if n_absent else None
            upsert.merge(self._delta(table), rows, table, found.n_changed, condition)
            self.outputs[table.name] = self.version(table)
        self.n_rows += found.n_new + found.n_changed
        return found.n_rows

    def replace(self, rows: DataFrame, table: Table, condition: str) -> int:
        """Replace the table's rows under ``condition`` by ``rows``; return their number.

        For complete sets: one pass without a join, where `upsert` compares row by row. The rows must
        meet the condition and differ in the key. A set that the table already holds, by number and
        hashes of its rows, is not written.

        Raises
        ------
        SchemaMismatch
            If the columns are not the table's.
        """
        check_columns(table, dict(rows.dtypes))
        self.ensure(table)
        return retry_on_conflict(self._replace, rows.select(*table.column_names), table, condition)

    def _replace(self, rows: DataFrame, table: Table, condition: str) -> int:
        held = self.spark.table(self.identifier(table)).where(condition)
        if not held.isEmpty():
            now, then = upsert.fingerprint(rows), upsert.fingerprint(held)
            if now == then:
                return now[0]
        self._sign()
        writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", condition)
        if self.schema:
            writer.saveAsTable(self.identifier(table))
        else:
            writer.save(f"{self.uri.rstrip('/')}/{table.name}")
        self.outputs[table.name] = self.version(table)
        # Not Delta's numOutputRows: it counts rows of other sets in the same files.
        n_rows = self.spark.table(self.identifier(table)).where(condition).count()
        self.n_rows += n_rows
        return n_rows

    def upsert_rows(self, rows: Iterable[tuple], table: Table) -> int:
        """Merge a few rows, given as tuples in the table's column order."""
        frame = self.spark.createDataFrame(list(rows), table.struct_type())
        return self.upsert(frame, table)

    def snapshot(self, table: Table, version: int | None = None) -> Snapshot:
        """Return the files of one version; stale files and deletion vectors cannot slip in.

        Raises
        ------
        InputError
            If there is no such table, or it has deletion vectors: readers of raw files would see
            deleted rows.
        """
        version = self._pinned(table, version)
        location = self._delta(table).detail().select("location").collect()[0][0]
        snapshot = open_snapshot(location, version)
        if snapshot is None:
            raise InputError(f"table {table.name} must be a Delta table, got none at {location!r}")
        return snapshot

    def _pinned(self, table: Table, version: int | None) -> int:
        """Return the version to read, and record it as an input."""
        newest = self.version(table)
        if newest < 0:
            raise InputError(
                f"table {table.name} must exist in the lake, got none at {self.uri!r}; "
                "run the job that writes it first (README lists them)"
            )
        version = newest if version is None else version
        self.inputs[table.name] = version
        return version

    def count(self, table: Table) -> int:
        """Rows of the newest version; 0 if there is no table."""
        return self.spark.table(self.identifier(table)).count() if self.exists(table) else 0

    def _sign(self) -> None:
        """Name the author of the next commit: Delta takes it from the session, for MERGE too."""
        self.spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", self.author)

    def _delta(self, table: Table) -> DeltaTable:
        if self.schema:
            return DeltaTable.forName(self.spark, self.identifier(table))
        return DeltaTable.forPath(self.spark, f"{self.uri.rstrip('/')}/{table.name}")
