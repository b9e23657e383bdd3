"""Which audio files there are: from a manifest CSV or from a folder tree.

*Conventions.* Layouts: ``manifest`` (columns path, and any of recording_id, work_id, track_id,
title, artist, split, spec), ``flat`` (every file on its own), ``folders`` (the folder is the
work), ``covers80`` (``Song_Title/artist+Album+NN-Song.mp3``, as on Kaggle; what its list1.list
and list2.list name and is not there is set aside as missing). Ids without a manifest come from
the data set's name and the path inside the root, so that they survive a move. Links that lead out
of a folder tree are set aside: a tree names its own files.

References
----------
Ellis. "The covers80 cover song data set." 2007.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.audio import decode, sandbox
from covers.errors import InputError
from covers.io import files
from covers.io.lake import Lake, settled
from covers.io.rows import map_rows
from covers.schemas.recordings import RECORDINGS

LAYOUTS = ("flat", "folders", "covers80")
EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".opus", ".aif", ".aiff")
SPLITS = ("by-work", "train", "validation", "test")
_OPTIONAL = ("recording_id", "work_id", "track_id", "title", "artist", "split", "spec")
_LISTED = T.StructType(
    [T.StructField(n, T.StringType()) for n in (*_OPTIONAL, "data_set", "uri", "root")]
)
_OUTCOME = T.StructType(
    [T.StructField(f.name, f.dataType, True) for f in RECORDINGS.struct_type()]
    + [T.StructField(n, T.StringType(), True) for n in ("reason", "detail")]
)


@dataclass(frozen=True)
class Listed:
    """One file before it is opened."""

    uri: str
    data_set: str
    recording_id: str
    work_id: str | None = None
    track_id: str | None = None
    title: str | None = None
    artist: str | None = None
    split: str | None = None
    spec: str | None = None
    root: str | None = None  # the folder that the file must lie in


def from_manifest(manifest: str, audio_root: str | None, data_set: str) -> list[Listed]:
    """List the files of a manifest CSV; paths are relative to ``audio_root`` or the manifest.

    Raises
    ------
    InputError
        If the manifest is missing, is not CSV, or has no path column or no row.
    """
    path = files.local_copy(manifest)
    if not Path(path).is_file():
        raise InputError(
            f"manifest must be a CSV file, got no file there: {manifest!r}; check --manifest"
        )
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"manifest must be a CSV file, got {manifest!r} ({error})") from error
    if "path" not in rows or rows.empty:
        raise InputError(
            f"manifest must have a column path and a row, got columns {list(rows)} and {len(rows)} "
            f"rows in {manifest!r}"
        )
    root = audio_root or os.path.dirname(path)
    listed = []
    for row in rows.to_dict("records"):
        known: dict[str, Any] = {n: row.get(n) or None for n in _OPTIONAL}
        known["recording_id"] = known["recording_id"] or recording_id_of(data_set, row["path"])
        listed.append(Listed(uri=f"{root.rstrip('/')}/{row['path']}", data_set=data_set, **known))
    repeated = pd.Series([x.recording_id for x in listed])
    if repeated.duplicated().any():
        example = repeated[repeated.duplicated()].iloc[0]
        raise InputError(
            f"recording_id must differ from row to row, got {example!r} twice in {manifest!r}"
        )
    return listed


def from_folder(root: str, data_set: str, layout: str) -> list[Listed]:
    """List the audio files under a folder.

    Raises
    ------
    InputError
        If the folder is missing, holds no audio file, or is not local.
    """
    system, path = files.filesystem(root)
    if not isinstance(system, fs.LocalFileSystem):
        raise InputError(
            f"audio root must be a local or mounted folder, got {root!r}; list its files in a "
            "--manifest"
        )
    base = Path(path)
    if not base.is_dir():
        raise InputError(
            f"audio root must be a folder, got none there: {root!r}; check --audio-root"
        )
    found = {p for p in base.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file()}
    if layout == "covers80":
        found |= _of_lists(base)
    if not found:
        raise InputError(
            f"audio root must hold audio files ({' '.join(EXTENSIONS)}), got none in {root!r}"
        )
    return [_described(base, p.relative_to(base), data_set, layout) for p in sorted(found)]


def _of_lists(base: Path) -> set[Path]:
    """Return the files that covers80's lists name, a line each, without their extension."""
    lists = [p for name in ("list1.list", "list2.list") for p in base.rglob(name)]
    lines = [(p.parent, line.strip()) for p in lists for line in p.read_text().splitlines()]
    return {folder / f"{line}.mp3" for folder, line in lines if line}


def _described(base: Path, inside: Path, data_set: str, layout: str) -> Listed:
    work = inside.parent.name if layout != "flat" and inside.parent.name else None
    artist = None
    if layout == "covers80" and "+" in inside.stem:
        artist = inside.stem.split("+")[0].replace("_", " ").strip()
    title = work.replace("_", " ") if work else inside.stem
    identity = recording_id_of(data_set, str(inside))
    return Listed(
        str(base / inside), data_set, identity, work, title=title, artist=artist, root=str(base)
    )


def recording_id_of(data_set: str, inside: str) -> str:
    """Return an id of 12 hexadecimal digits."""
    return hashlib.sha256(f"{data_set}/{inside}".encode()).hexdigest()[:12]


def split_of(work_id: str, seed: int, asked: str = "by-work") -> str:
    """Return ``asked``, one of `SPLITS`; by-work is 70% train, 10% validation, 20% test, by hash."""
    if asked != "by-work":
        return asked
    share = int(hashlib.sha256(f"{seed}/{work_id}".encode()).hexdigest()[:8], 16) / 2**32
    return "train" if share < 0.7 else ("validation" if share < 0.8 else "test")


def inspect(listed: DataFrame, *, split: str, seed: int) -> DataFrame:
    """Open every file; return `RECORDINGS` columns, and reason and detail where it failed.

    ``split`` is train, validation or test for all, whatever the manifest says (a set that is only
    judged on cannot slip into training); or by-work: the manifest's, else by the work's hash.
    """
    limits = sandbox.Limits(cpu_s=60, wall_s=120)
    return map_rows(listed, lambda row: [_row(row, split, seed, limits)], _OUTCOME, spread_by="uri")


def as_frame(spark: SparkSession, listed: list[Listed]) -> DataFrame:
    """Return listed files as a DataFrame."""
    names = _LISTED.fieldNames()
    return spark.createDataFrame([tuple(asdict(x)[n] for n in names) for x in listed], _LISTED)


def _row(row: dict, split: str, seed: int, limits: sandbox.Limits) -> dict:
    work = row["work_id"] or row["recording_id"]
    if split != "by-work" or not row["split"]:
        row["split"] = split_of(work, seed, split)
    root = row.pop("root")
    try:
        with files.local(row["uri"]) as path:
            about = _about(path, root, limits)
    except sandbox.Refused as error:
        return row | {"reason": error.reason, "detail": error.detail}
    except OSError as error:
        return row | {"reason": "unreadable", "detail": str(error)}
    return row | about | {"state": "present"}


def _about(path: str, root: str | None, limits: sandbox.Limits) -> dict:
    if root and not Path(path).resolve().is_relative_to(Path(root).resolve()):
        raise sandbox.Refused("outside_root", f"a link to {os.path.realpath(path)}")
    if not os.path.exists(path):
        raise sandbox.Refused("missing", "no file there")
    n_bytes = os.path.getsize(path)
    if not n_bytes:
        raise sandbox.Refused("empty_file", "0 bytes")
    info = sandbox.call(decode.probe, path, limits=limits)
    return asdict(info) | {"sha256": files.sha256_of(path), "n_bytes": n_bytes}


def good(outcomes: DataFrame) -> DataFrame:
    """Return the rows that are recordings."""
    return outcomes.where("reason IS NULL").select(*RECORDINGS.column_names)


def removed(lake: Lake, found: DataFrame, data_set: str) -> DataFrame:
    """Return the known recordings of a data set whose file is gone or broken now, marked."""
    lake.ensure(RECORDINGS)
    known = lake.spark.table(lake.identifier(RECORDINGS))
    gone = known.where((F.col("data_set") == data_set) & (F.col("state") == "present"))
    return settled(
        gone.join(found.select("recording_id"), "recording_id", "left_anti")
        .withColumn("state", F.lit("removed"))
        .select(*RECORDINGS.column_names)
    )


def listing(
    manifest: str | None, audio_root: str | None, data_set: str, layout: str
) -> list[Listed]:
    """List by the manifest where there is one, else by the folder tree."""
    if manifest:
        return from_manifest(manifest, audio_root, data_set)
    return from_folder(str(audio_root), data_set, layout)


def fingerprint(listed: list[Listed]) -> str:
    """Return a hash of names, sizes and times of the files: changes when any of them does."""
    digest = hashlib.sha256()
    for item in listed:
        system, path = files.filesystem(item.uri)
        state = system.get_file_info(path)
        digest.update(f"{item}{state.size}{state.mtime_ns}".encode())
    return digest.hexdigest()
