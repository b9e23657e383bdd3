"""Music Info CSV rows to `tracks`, and what is wrong with a row to `quarantine`.

*Conventions.* A row is good or set aside, never mended: rows in = tracks + quarantined. Tempo 0
means "not detected" (as Spotify writes it) and is kept; so is key -1.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lib.io.errors import InputError
from schemas.quarantine import QUARANTINE
from schemas.tracks import TRACKS

ATTRIBUTES = ("danceability", "energy", "key", "mode", "valence", "tempo")
REQUIRED = ("track_id", "name", "artist", *ATTRIBUTES)
CSV_COLUMNS = tuple(c for c in TRACKS.column_names if c != "row_hash")
_RANGES = {
    "danceability": "BETWEEN 0 AND 1",
    "energy": "BETWEEN 0 AND 1",
    "valence": "BETWEEN 0 AND 1",
    "key": "BETWEEN -1 AND 11",
    "mode": "IN (0, 1)",
    "tempo": "BETWEEN 0 AND 1000",
}


def csv_files(paths: Sequence[str]) -> list[str]:
    """Return the CSV files (.csv, .csv.gz) that files and folders name, sorted.

    Raises
    ------
    InputError
        If a path does not exist or a folder holds no CSV file.
    """
    found: list[str] = []
    for path in map(Path, paths):
        files = [*path.glob("*.csv"), *path.glob("*.csv.gz")] if path.is_dir() else [path]
        if not path.exists() or not files:
            state = "no file there" if not path.exists() else "a folder without .csv or .csv.gz"
            raise InputError(
                f"catalogue must be a CSV file or a folder of them, got {state}: {str(path)!r}; "
                "give the path of Music Info.csv"
            )
        found += sorted(str(f.resolve()) for f in files)
    return found


def header_of(path: str) -> list[str]:
    """Return the column names of one CSV file.

    Raises
    ------
    InputError
        If the file is not text, is empty, or lacks a required column.
    """
    opener = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except (UnicodeDecodeError, OSError, EOFError, csv.Error) as error:
        raise InputError(
            f"catalogue must be a CSV file in UTF-8, got {path!r} ({error}); export it as CSV"
        ) from error
    missing = [c for c in REQUIRED if c not in header]
    if missing:
        raise InputError(
            f"catalogue must have the columns {list(REQUIRED)}, got {header} in {path!r}; "
            f"missing: {missing}"
        )
    if len(set(header)) < len(header):
        raise InputError(f"columns of {path!r} must have different names, got {header}")
    return header


def read_csv(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    """Read the files as text columns, with `location`, `raw` (short and long rows) and `position`.

    Columns that Music Info does not have are left out; those a file lacks are null.
    """
    frames = []
    for path in paths:
        header = header_of(path)
        fields = [T.StructField(name, T.StringType()) for name in [*header, "_raw"]]
        frame = (
            spark.read.schema(T.StructType(fields))
            .option("header", True).option("quote", '"').option("escape", '"')
            .option("mode", "PERMISSIVE").option("columnNameOfCorruptRecord", "_raw")
            .option("enforceSchema", True).option("encoding", "UTF-8")
            .csv("file:" + path)
        )  # fmt: skip
        columns = [
            F.col(c) if c in header else F.lit(None).cast("string").alias(c) for c in CSV_COLUMNS
        ]
        frames.append(frame.select(*columns, "_raw", F.lit(path).alias("location")))
    together = frames[0]
    for frame in frames[1:]:
        together = together.unionByName(frame)
    return together.withColumn("position", F.monotonically_increasing_id())


def judged(rows: DataFrame) -> DataFrame:
    """Add the typed columns (`_name`), `reason` (null = good) and `detail`; takes `read_csv`'s.

    Persist it before `split_good_and_bad`: planning these expressions costs more than running
    them, and both halves would plan them anew.
    """
    typed = rows.withColumns({f"_{c.name}": _typed(c.name, c.type) for c in TRACKS.columns[:-1]})
    return typed.withColumns({"reason": _reason(), "detail": _detail()})


def split_good_and_bad(judged: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return the rows as `TRACKS` and the rows set aside as `QUARANTINE`; takes `judged`'s.

    Of rows with one track_id the first is kept.
    """
    good = judged.where("reason IS NULL")
    turn = Window.partitionBy("track_id").orderBy("position")
    good = good.withColumn("turn", F.row_number().over(turn))
    tracks = good.where("turn = 1").select(
        *[F.col(f"_{c}").alias(c) for c in CSV_COLUMNS],
        F.sha2(F.to_json(F.struct(*[F.col(f"_{c}").alias(c) for c in CSV_COLUMNS])), 256).alias(
            "row_hash"
        ),
    )
    repeated = good.where("turn > 1").withColumns(
        {"reason": F.lit("duplicate_id"), "detail": F.concat(F.lit("track_id "), "track_id")}
    )
    bad = judged.where("reason IS NOT NULL").unionByName(repeated.drop("turn"))
    return tracks, _quarantined(bad)


def _typed(name: str, kind: T.DataType) -> Column:
    text = F.nullif(F.trim(F.col(name)), F.lit(""))
    if isinstance(kind, T.StringType):
        return text
    number = F.expr(f"try_cast(nullif(trim(`{name}`), '') AS double)")
    if isinstance(kind, T.DoubleType):
        return F.when(~F.isnan(number), number)
    return F.when(number == F.floor(number), number.cast(kind))


def _reason() -> Column:
    rules = [F.when(F.col("_raw").isNotNull(), F.lit("wrong_number_of_fields"))]
    for name in REQUIRED:
        blank = F.col(name).isNull() | (F.trim(F.col(name)) == "")
        rules.append(F.when(blank, F.lit(f"{name}_missing")))
    for name, rule in _RANGES.items():
        rules.append(F.when(F.col(f"_{name}").isNull(), F.lit(f"{name}_not_a_number")))
        rules.append(F.when(F.expr(f"NOT (_{name} {rule})"), F.lit(f"{name}_out_of_range")))
    return F.coalesce(*rules)


def _detail() -> Column:
    shown = [F.concat(F.lit(f"{c}="), F.coalesce(F.col(c), F.lit("null"))) for c in REQUIRED]
    return F.concat_ws(", ", *shown)


def _quarantined(bad: DataFrame) -> DataFrame:
    raw = F.coalesce("_raw", F.to_json(F.struct(*CSV_COLUMNS)))
    same = Window.partitionBy("location", "reason", "raw").orderBy("position")
    numbered = bad.withColumn("raw", raw).withColumn("turn", F.row_number().over(same))
    identity = F.concat_ws("|", "location", "reason", "raw", "turn")
    return numbered.select(
        F.sha2(identity, 256).alias("quarantine_id"),
        F.lit("track").alias("what"),
        "location",
        "reason",
        "detail",
        "raw",
        F.lit("ingest_catalog").alias("job"),
    ).select(*QUARANTINE.column_names)
