"""The lake: the only place that knows where tables are, and in which version they were read.

*Conventions.* A lake is a folder (any Hadoop URI) with one Delta table a sub-folder, or
``schema:main.covers``, tables of a metastore schema. Tables are born from `schemas` alone.
Every read is pinned to a version; `Lake.inputs` and `Lake.outputs` tell which, for `runs`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from delta import exceptions as delta_errors
from delta.tables import DeltaTable
from deltalake import DeltaTable as ArrowDeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from covers.errors import InputError, SchemaMismatch
from covers.io.delta_reader import Snapshot
from covers.schemas.table import Table

_CONFLICTS = tuple(
    getattr(delta_errors, name) for name in delta_errors.__all__ if name.endswith("Exception")
)
_again_on_conflict = Retrying(  # every one of them ends with nothing written
    retry=retry_if_exception_type(_CONFLICTS),
    stop=stop_after_attempt(8),
    wait=wait_random(0.1, 2.0),
    reraise=True,
)
_UPKEEP = ("OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES")


@dataclass
class Lake:
    """Tables and files under one URI, seen through one Spark session.

    ``author`` is who writes: it stands as `userMetadata` in the Delta history of every version.
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
        """Make a folder's path absolute (Delta refuses relative ones), sign what is written."""
        self.spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", self.author)
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
                f"a lake in a metastore must say where model files go, got {self.uri!r} alone; "
                "add --files URI"
            )
        return (self.files_uri or f"{self.uri}/files").rstrip("/")

    def identifier(self, table: Table) -> str:
        """Name of the table in SQL."""
        if self.schema:
            return f"{self.schema}.{table.name}"
        return f"delta.`{self.uri.rstrip('/')}/{table.name}`"

    def exists(self, table: Table) -> bool:
        """Tell whether the table is there."""
        if self.schema:
            return self.spark.catalog.tableExists(self.identifier(table))
        return DeltaTable.isDeltaTable(self.spark, f"{self.uri.rstrip('/')}/{table.name}")

    def ensure(self, table: Table) -> bool:
        """Create the table if it is not there, and check its columns; tell whether it is new."""
        is_new = not self.exists(table)
        if is_new:
            if self.schema:
                self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
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
        """Tell whether others than ``but_by`` may have changed rows after this version.

        Upkeep (OPTIMIZE, VACUUM) moves rows, no more: it does not count.
        """
        if not self.exists(table):
            return True
        later = self._delta(table).history().where(F.col("version") > version)
        author = F.coalesce("userMetadata", F.lit(""))
        by_others = ~F.col("operation").isin(*_UPKEEP) & ~author.isin(*but_by)
        return not later.where(by_others).isEmpty()

    def read(self, table: Table, version: int | None = None) -> DataFrame:
        """Return the table as it is at one version (by default the newest).

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

        New keys are inserted, changed rows updated, equal rows left alone, so that a second run
        writes nothing; where another job wrote meanwhile, it compares and merges anew.
        ``delete_absent``: a condition on the table (as ``t``); rows that meet it and are not in
        ``rows`` are deleted.

        Raises
        ------
        SchemaMismatch
            If the columns are not the table's, or two rows have the same key.
        """
        check_columns(table, dict(rows.dtypes))
        rows = rows.select(*table.column_names).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            return _again_on_conflict(self._upsert, rows, table, delete_absent)
        finally:
            rows.unpersist()

    def _upsert(self, rows: DataFrame, table: Table, delete_absent: str | None) -> int:
        is_new = self.ensure(table)
        n_rows, n_new, n_changed = self._compared(rows, table, is_new)
        n_absent = 0
        if delete_absent and not is_new:
            n_absent = self._n_absent(rows, table, delete_absent)
        if n_new or n_changed or n_absent:
            self._merge(rows, table, n_changed, delete_absent if n_absent else None)
            self.outputs[table.name] = self.version(table)
        self.n_rows += n_new + n_changed
        return n_rows

    def _compared(self, rows: DataFrame, table: Table, is_new: bool) -> tuple[int, int, int]:
        """Return how many rows there are, how many have new keys, how many have changed."""
        pairs = rows.alias("s")
        is_held = is_changed = F.lit(False)
        if not is_new:
            held = self.spark.table(self.identifier(table)).alias("t")
            pairs = pairs.join(held, F.expr(_same_key(table)), "left")
            is_held = F.col(f"t.`{table.key[0]}`").isNotNull()  # keys are NOT NULL
            is_changed = is_held & F.expr(_differs(table))
        by_key = pairs.groupBy(*(F.col(f"s.`{k}`").alias(k) for k in table.key)).agg(
            F.count("*").alias("n"),
            F.count_if(~is_held).alias("new"),
            F.count_if(is_changed).alias("changed"),
        )
        key = F.max_by(F.struct(*table.key), "n")
        most, of, *counts = by_key.agg(
            F.max("n"), key, F.sum("n"), F.sum("new"), F.sum("changed")
        ).collect()[0]
        if (most or 0) > 1:
            raise SchemaMismatch(
                f"rows for table {table.name} must differ in {table.key}, got {most} of {tuple(of)}"
            )
        n_rows, n_new, n_changed = (n or 0 for n in counts)
        return n_rows, n_new, n_changed

    def _n_absent(self, rows: DataFrame, table: Table, condition: str) -> int:
        held = self.spark.table(self.identifier(table)).alias("t").where(condition)
        return held.join(rows.select(*table.key), list(table.key), "left_anti").count()

    def _merge(
        self, rows: DataFrame, table: Table, n_changed: int, delete_absent: str | None
    ) -> None:
        merge = self._delta(table).alias("t").merge(rows.alias("s"), _same_key(table))
        merge = merge.whenNotMatchedInsertAll()
        if n_changed:  # else Delta takes its faster way for inserts alone
            merge = merge.whenMatchedUpdateAll(condition=_differs(table))
        if delete_absent:
            merge = merge.whenNotMatchedBySourceDelete(condition=delete_absent)
        merge.execute()

    def replace(self, rows: DataFrame, table: Table, condition: str) -> int:
        """Make ``rows`` all that the table holds of ``condition``; return how many they are.

        For whole sets that are made anew: one pass and no join, where `upsert` compares row by row.
        The rows must meet the condition and differ in the key. A set that is there already, by the
        number and the hashes of its rows, is left alone.

        Raises
        ------
        SchemaMismatch
            If the columns are not the table's.
        """
        check_columns(table, dict(rows.dtypes))
        self.ensure(table)
        return _again_on_conflict(self._replace, rows.select(*table.column_names), table, condition)

    def _replace(self, rows: DataFrame, table: Table, condition: str) -> int:
        held = self.spark.table(self.identifier(table)).where(condition)
        if not held.isEmpty():
            now, then = _fingerprint(rows), _fingerprint(held)
            if now == then:
                return now[0]
        writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", condition)
        if self.schema:
            writer.saveAsTable(self.identifier(table))
        else:
            writer.save(f"{self.uri.rstrip('/')}/{table.name}")
        self.outputs[table.name] = self.version(table)
        # Not Delta's numOutputRows: it counts rows of other sets that lay in the same files.
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
        arrow = ArrowDeltaTable(location.removeprefix("file:"), version=version)
        if arrow.metadata().configuration.get("delta.enableDeletionVectors") == "true":
            raise InputError(
                f"table {table.name} must have deletion vectors off, got them on; run ALTER TABLE "
                "… SET TBLPROPERTIES ('delta.enableDeletionVectors' = false) and REORG … APPLY"
            )
        actions = arrow.get_add_actions(flatten=True)
        n_rows = sum(actions.column("num_records").to_pylist())
        return Snapshot(table.name, version, tuple(sorted(arrow.file_uris())), n_rows)

    def _pinned(self, table: Table, version: int | None) -> int:
        """Return the version to read, and note it as an input."""
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

    def _delta(self, table: Table) -> DeltaTable:
        if self.schema:
            return DeltaTable.forName(self.spark, self.identifier(table))
        return DeltaTable.forPath(self.spark, f"{self.uri.rstrip('/')}/{table.name}")


def _same_key(table: Table) -> str:
    return " AND ".join(f"t.`{k}` = s.`{k}`" for k in table.key)


def _fingerprint(rows: DataFrame) -> tuple[int, int]:
    """Return the number of rows and the sum of their hashes, which no order changes."""
    hashed = rows.select(F.xxhash64(*rows.columns).cast("decimal(20)").alias("_"))
    n_rows, total = hashed.agg(F.count("*"), F.sum("_")).collect()[0]
    return n_rows, int(total or 0)


def _differs(table: Table) -> str:
    return " OR ".join(f"NOT (t.`{c}` <=> s.`{c}`)" for c in table.column_names)


def settled(rows: DataFrame) -> DataFrame:
    """Return ``rows`` computed now, apart from the tables that they came from.

    Spark drops what it persisted of a table when the table is written, and computes it anew: rows
    that a job found to be new would be gone after it has written them. They wait on disk: as rows in
    memory, ten million of them filled a heap of 4 GB.
    """
    return rows.localCheckpoint(storageLevel=StorageLevel.DISK_ONLY)


def check_columns(table: Table, found: dict[str, str]) -> None:
    """Compare names and types with the schema.

    Raises
    ------
    SchemaMismatch
        Naming the columns that are missing, extra or of another type.
    """
    wanted = {c.name: c.type.simpleString() for c in table.columns}
    wrong = {
        name: f"{found.get(name, 'missing')}, not {wanted.get(name, 'wanted')}"
        for name in [*wanted, *(set(found) - set(wanted))]
        if found.get(name) != wanted.get(name)
    }
    if wrong:
        raise SchemaMismatch(
            f"rows for table {table.name} must match schemas/{table.name}.py, got {wrong}"
        )
