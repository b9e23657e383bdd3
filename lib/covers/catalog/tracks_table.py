"""Music Info CSV rows: valid ones to `tracks`, rejected ones to `quarantine`.

*Conventions.* A row is a line that is not blank; it is valid or rejected, never repaired: rows read =
tracks + quarantined. A field may hold quoted commas and doubled quotes, but no line break. Tempo 0
means "not detected" (as Spotify writes it) and is kept; so is key -1. The twelve columns that
nothing is computed from may be empty, but must be in range.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from pyarrow import fs
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.errors import InputError
from covers.io.files import filesystem
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.tracks import TRACKS

ATTRIBUTES = ("danceability", "energy", "key", "mode", "valence", "tempo")
REQUIRED = ("track_id", "name", "artist", *ATTRIBUTES)
CSV_COLUMNS = tuple(c for c in TRACKS.column_names if c != "row_hash")
_RANGES = {  # of required columns
    "danceability": "BETWEEN 0 AND 1",
    "energy": "BETWEEN 0 AND 1",
    "valence": "BETWEEN 0 AND 1",
    "key": "BETWEEN -1 AND 11",
    "mode": "IN (0, 1)",
    "tempo": "BETWEEN 0 AND 1000",
}
_OPTIONAL_RANGES = {
    "year": "BETWEEN 0 AND 9999",
    "duration_ms": ">= 0",
    "loudness": "BETWEEN -100 AND 20",
    "speechiness": "BETWEEN 0 AND 1",
    "acousticness": "BETWEEN 0 AND 1",
    "instrumentalness": "BETWEEN 0 AND 1",
    "liveness": "BETWEEN 0 AND 1",
    "time_signature": "BETWEEN 0 AND 32",
}
_NUMBERS = {*_RANGES, *_OPTIONAL_RANGES}
_REPLACED = "\ufffd"  # what a byte that is not UTF-8 is read as


def csv_files(paths: Sequence[str]) -> list[str]:
    """Return the URIs of the CSV files (.csv, .csv.gz) that files and folders name, sorted.

    Raises
    ------
    InputError
        If a path does not exist or a folder holds no CSV file.
    """
    found: list[str] = []
    for path in paths:
        try:
            system, inside = filesystem(path)
        except ValueError as error:
            raise InputError(f"catalogue: {error}") from error
        kind = system.get_file_info(inside).type
        uri = f"file:{inside}" if isinstance(system, fs.LocalFileSystem) else path.rstrip("/")
        uris = [uri] if kind != fs.FileType.NotFound else []
        if kind == fs.FileType.Directory:
            names = [f.base_name for f in system.get_file_info(fs.FileSelector(inside))]
            uris = [f"{uri}/{n}" for n in sorted(names) if n.endswith((".csv", ".csv.gz"))]
        if not uris:
            is_folder = kind == fs.FileType.Directory
            state = "a folder without .csv or .csv.gz" if is_folder else "no file there"
            raise InputError(
                f"catalogue must be a CSV file or a folder of them, got {state}: {path!r}; "
                "give the path of Music Info.csv"
            )
        found += uris
    return found


def header_of(uri: str) -> list[str]:
    """Return the column names of one CSV file.

    Raises
    ------
    InputError
        If the file is not text, is empty, or lacks a required column.
    """
    system, inside = filesystem(uri)
    try:
        # The stream unpacks .gz by the name.
        with io.TextIOWrapper(
            system.open_input_stream(inside), "utf-8-sig", errors="replace", newline=""
        ) as file:  # broken rows further down are rejected one by one
            header = next(csv.reader(file), [])
        if any(_REPLACED in name for name in header):
            raise UnicodeError(f"its first line reads {header}")
    except (UnicodeError, OSError, EOFError, csv.Error) as error:
        raise InputError(
            f"catalogue must be a CSV file in UTF-8, got {uri!r} ({error}); export it as CSV"
        ) from error
    missing = [c for c in REQUIRED if c not in header]
    if missing:
        raise InputError(
            f"catalogue must have the columns {list(REQUIRED)}, got {header} in {uri!r}; "
            f"missing: {missing}"
        )
    if len(set(header)) < len(header):
        raise InputError(f"columns of {uri!r} must have different names, got {header}")
    return header


def ignored_columns(uris: Sequence[str]) -> list[str]:
    """Return the columns that Music Info does not have, and the catalogue ignores."""
    return sorted({c for uri in uris for c in header_of(uri)} - set(CSV_COLUMNS))


def read_csv(spark: SparkSession, uris: Sequence[str]) -> DataFrame:
    """Read the files as text columns, with `location`, `raw` (short and long rows) and `position`.

    Columns that Music Info does not have are ignored; those a file lacks are null.
    """
    frames = []
    for uri in uris:
        header = header_of(uri)
        fields = [T.StructField(name, T.StringType()) for name in [*header, "_raw"]]
        frame = (
            spark.read.schema(T.StructType(fields))
            .option("header", True).option("quote", '"').option("escape", '"')
            .option("mode", "PERMISSIVE").option("columnNameOfCorruptRecord", "_raw")
            .option("enforceSchema", True).option("encoding", "UTF-8")
            .csv(uri)
        )  # fmt: skip
        columns = [
            F.col(c) if c in header else F.lit(None).cast("string").alias(c) for c in CSV_COLUMNS
        ]
        frames.append(
            frame.select(*columns, "_raw", F.lit(uri.removeprefix("file:")).alias("location"))
        )
    rows = frames[0]
    for frame in frames[1:]:
        rows = rows.unionByName(frame)
    return rows.withColumn("position", F.monotonically_increasing_id())


def validate(rows: DataFrame) -> DataFrame:
    """Add the typed columns (`_name`), `reason` (null = valid) and `detail`; takes `read_csv` rows.

    Checkpoint the result (`covers.io.spark.checkpoint_to_disk`) before `split_valid_and_rejected`:
    planning these expressions costs more than running them, and every use would plan them again.
    """
    typed = rows.withColumns({f"_{c.name}": _typed(c.name, c.type) for c in TRACKS.columns[:-1]})
    return typed.withColumns({"reason": _reason(), "detail": _detail()})


def split_valid_and_rejected(validated: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return valid rows as `TRACKS` and rejected ones as `QUARANTINE`; takes `validate` rows.

    Of rows with one track_id the first is kept.
    """
    valid = validated.where("reason IS NULL")
    first_come = Window.partitionBy("track_id").orderBy("position")
    valid = valid.withColumn("n_th", F.row_number().over(first_come))
    tracks = valid.where("n_th = 1").select(
        *[F.col(f"_{c}").alias(c) for c in CSV_COLUMNS],
        F.sha2(F.to_json(F.struct(*[F.col(f"_{c}").alias(c) for c in CSV_COLUMNS])), 256).alias(
            "row_hash"
        ),
    )
    repeated = valid.where("n_th > 1").withColumns(
        {"reason": F.lit("duplicate_id"), "detail": F.concat(F.lit("track_id "), "track_id")}
    )
    rejected = validated.where("reason IS NOT NULL").unionByName(repeated.drop("n_th"))
    return tracks, _quarantine_rows(rejected)


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
    broken = F.concat_ws("", *[c for c in CSV_COLUMNS if c not in _NUMBERS]).contains(_REPLACED)
    rules.append(F.when(broken, F.lit("not_utf8")))
    for name, rule in (_RANGES | _OPTIONAL_RANGES).items():
        typed = F.col(f"_{name}")
        empty = F.trim(F.coalesce(name, F.lit(""))) == ""  # only optional columns can be
        rules.append(F.when(typed.isNull() & ~empty, F.lit(f"{name}_not_a_number")))
        rules.append(F.when(F.expr(f"NOT (_{name} {rule})"), F.lit(f"{name}_out_of_range")))
    return F.coalesce(*rules)


def count_undetected(rows: DataFrame) -> dict[str, int]:
    """Return how many tracks have no key and how many no tempo; takes `TRACKS` rows."""
    counts = rows.agg(F.count_if(F.col("key") == -1), F.count_if(F.col("tempo") == 0)).collect()[0]
    return {"key_not_detected": counts[0], "tempo_not_detected": counts[1]}


def _detail() -> Column:
    shown = [F.concat(F.lit(f"{c}="), F.coalesce(F.col(c), F.lit("null"))) for c in REQUIRED]
    return F.concat_ws(", ", *shown)


def _quarantine_rows(rejected: DataFrame) -> DataFrame:
    raw = F.coalesce("_raw", F.to_json(F.struct(*CSV_COLUMNS)))
    same = Window.partitionBy("location", "reason", "raw").orderBy("position")
    numbered = rejected.withColumn("raw", raw).withColumn("n_th", F.row_number().over(same))
    identity = F.concat_ws("|", "location", "reason", "raw", "n_th")
    return numbered.select(
        F.sha2(identity, 256).alias("quarantine_id"),
        F.lit("track").alias("what"),
        "location",
        "reason",
        "detail",
        "raw",
        F.lit("ingest_catalog").alias("job"),
    ).select(*QUARANTINE.column_names)
