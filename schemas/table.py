"""Column and Table, of which every schema is made.

A `Table` renders itself as a Spark schema, as the one DDL statement that may create it, and as
the markdown of docs/tables.md. Tables are created only by `Table.ddl`: one made by
``df.write.save`` would lose NOT NULL.

References
----------
Delta Lake documentation, "Constraints" and "Table properties".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyspark.sql import types as T


@dataclass(frozen=True)
class Column:
    """One column: its name, Spark type, meaning and unit (empty where there is none)."""

    name: str
    type: T.DataType
    comment: str
    unit: str = ""
    nullable: bool = False

    @property
    def described(self) -> str:
        """Comment with the unit in brackets, as Delta stores it."""
        return f"{self.comment} [{self.unit}]" if self.unit else self.comment


@dataclass(frozen=True)
class Table:
    """One Delta table: columns, key (what MERGE matches on) and checks that Delta enforces."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse repeated columns and keys that are unknown or nullable."""
        names = [c.name for c in self.columns]
        if len(set(names)) < len(names):
            raise ValueError(f"columns of {self.name} must have different names, got {names}")
        nullable = {c.name: c.nullable for c in self.columns}
        for name in self.key:
            if nullable.get(name, True):
                raise ValueError(
                    f"key of {self.name} must be made of its NOT NULL columns, got {name!r}"
                )

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in the table's order."""
        return [c.name for c in self.columns]

    def struct_type(self) -> T.StructType:
        """Spark schema; each field carries its comment and unit as metadata."""
        return T.StructType(
            [
                T.StructField(c.name, c.type, c.nullable, {"comment": c.described})
                for c in self.columns
            ]
        )

    def ddl(self, identifier: str) -> str:
        """One idempotent statement that creates the table as ``identifier``.

        ``identifier`` is what follows CREATE TABLE: ``main.covers.tracks`` or
        ``delta.`/lake/tracks` ``. Deletion vectors are off: petastorm reads the raw files.
        """
        columns = ",\n  ".join(
            f"{c.name} {c.type.simpleString()}{'' if c.nullable else ' NOT NULL'}"
            f" COMMENT {_quote(c.described)}"
            for c in self.columns
        )
        properties = {"delta.enableDeletionVectors": "false"} | self.properties
        properties |= {f"delta.constraints.{name}": rule for name, rule in self.checks.items()}
        rules = ", ".join(f"'{name}' = {_quote(value)}" for name, value in properties.items())
        return (
            f"CREATE TABLE IF NOT EXISTS {identifier} (\n  {columns}\n) USING delta"
            f" COMMENT {_quote(self.comment)} TBLPROPERTIES ({rules})"
        )

    def markdown(self) -> str:
        """Columns as a markdown table: column, type, unit, key, meaning."""
        lines = ["| column | type | unit | key | meaning |", "| --- | --- | --- | --- | --- |"]
        lines += [
            f"| `{c.name}` | {c.type.simpleString()}{' or null' if c.nullable else ''} | {c.unit} "
            f"| {'key' if c.name in self.key else ''} | {c.comment} |"
            for c in self.columns
        ]
        return "\n".join(lines)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
