"""Lists of audio files, from a manifest CSV or a folder tree, and what their headers hold.

*Conventions.* A manifest has a column path, and any of recording_id, work_id, track_id, title,
artist, split, spec. Layouts of a folder tree: ``flat`` (every file is a work of its own),
``folders`` (the folder is the work), ``covers80`` (``Song_Title/artist+Album+NN-Song.mp3``, as on
Kaggle; files that its list1.list and list2.list name but that are absent are listed too, and
rejected as missing). Ids without a manifest are hashes of the data set's name and the path inside
the root, so that they survive a move. Links that lead out of a folder tree are rejected.

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

from covers.audio import decode, sandbox
from covers.errors import InputError
from covers.io import files

LAYOUTS = ("flat", "folders", "covers80")
EXTENSIONS = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".opus", ".aif", ".aiff")
SPLITS = ("by-work", "train", "validation", "test")
COLUMNS = ("recording_id", "work_id", "track_id", "title", "artist", "split", "spec")  # optional


@dataclass(frozen=True)
class ListedFile:
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


def list_manifest(manifest: str, audio_root: str | None, data_set: str) -> list[ListedFile]:
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
        values: dict[str, Any] = {n: row.get(n) or None for n in COLUMNS}
        values["recording_id"] = values["recording_id"] or make_recording_id(data_set, row["path"])
        listed.append(
            ListedFile(uri=f"{root.rstrip('/')}/{row['path']}", data_set=data_set, **values)
        )
    repeated = pd.Series([x.recording_id for x in listed])
    if repeated.duplicated().any():
        example = repeated[repeated.duplicated()].iloc[0]
        raise InputError(
            f"recording_id must differ from row to row, got {example!r} twice in {manifest!r}"
        )
    return listed


def list_folder(root: str, data_set: str, layout: str) -> list[ListedFile]:
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
    paths = {p for p in base.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file()}
    if layout == "covers80":
        paths |= _read_covers80_lists(base)
    if not paths:
        raise InputError(
            f"audio root must hold audio files ({' '.join(EXTENSIONS)}), got none in {root!r}"
        )
    return [_describe_file(base, p.relative_to(base), data_set, layout) for p in sorted(paths)]


def _read_covers80_lists(base: Path) -> set[Path]:
    """Return the files that covers80's lists name, a line each, without their extension."""
    lists = [p for name in ("list1.list", "list2.list") for p in base.rglob(name)]
    lines = [(p.parent, line.strip()) for p in lists for line in p.read_text().splitlines()]
    return {folder / f"{line}.mp3" for folder, line in lines if line}


def _describe_file(base: Path, inside: Path, data_set: str, layout: str) -> ListedFile:
    work = inside.parent.name if layout != "flat" and inside.parent.name else None
    artist = None
    if layout == "covers80" and "+" in inside.stem:
        artist = inside.stem.split("+")[0].replace("_", " ").strip()
    title = work.replace("_", " ") if work else inside.stem
    identity = make_recording_id(data_set, str(inside))
    return ListedFile(
        str(base / inside), data_set, identity, work, title=title, artist=artist, root=str(base)
    )


def make_recording_id(data_set: str, inside: str) -> str:
    """Return an id of 12 hexadecimal digits."""
    return hashlib.sha256(f"{data_set}/{inside}".encode()).hexdigest()[:12]


def assign_split(work_id: str, seed: int, split: str = "by-work") -> str:
    """Return the split of a work: ``split``, one of `SPLITS`, or drawn by hash if it is by-work.

    By-work, 70% of works are train, 10% validation and 20% test; equal ids and seeds, equal split.
    """
    if split != "by-work":
        return split
    share = int(hashlib.sha256(f"{seed}/{work_id}".encode()).hexdigest()[:8], 16) / 2**32
    return "train" if share < 0.7 else ("validation" if share < 0.8 else "test")


def inspect_file(row: dict, *, split: str, seed: int, limits: sandbox.Limits) -> dict:
    """Open and hash one listed file, in a limited child process.

    Parameters
    ----------
    row : dict
        Fields of a `ListedFile`.
    split : str
        train, validation or test for every file, whatever the manifest has, so that a set which is
        for evaluation only cannot slip into training; or by-work: the manifest's, else by the
        hash of the work.
    seed : int
        Of the hash.
    limits : sandbox.Limits
        What reading the header may cost.

    Returns
    -------
    dict
        Columns of `recordings`; or the listed fields with ``reason`` and ``detail`` of a failure.
    """
    recording = {name: value for name, value in row.items() if name != "root"}
    if split != "by-work" or not row["split"]:
        recording["split"] = assign_split(row["work_id"] or row["recording_id"], seed, split)
    try:
        with files.local(row["uri"]) as path:
            header = _probe_file(path, row["root"], limits)
    except sandbox.Rejected as error:
        return recording | {"reason": error.reason, "detail": error.detail}
    except OSError as error:
        return recording | {"reason": "unreadable", "detail": str(error)}
    return recording | header | {"state": "present"}


def _probe_file(path: str, root: str | None, limits: sandbox.Limits) -> dict:
    if root and not Path(path).resolve().is_relative_to(Path(root).resolve()):
        raise sandbox.Rejected("outside_root", f"a link to {os.path.realpath(path)}")
    if not os.path.exists(path):
        raise sandbox.Rejected("missing", "no file there")
    n_bytes = os.path.getsize(path)
    if not n_bytes:
        raise sandbox.Rejected("empty_file", "0 bytes")
    info = sandbox.call(decode.probe, path, limits=limits)
    return asdict(info) | {"sha256": files.sha256_of(path), "n_bytes": n_bytes}


def list_files(
    manifest: str | None, audio_root: str | None, data_set: str, layout: str
) -> list[ListedFile]:
    """List the files of the manifest if there is one, else of the folder tree.

    Raises
    ------
    InputError
        As `list_manifest` and `list_folder` do.
    """
    if manifest:
        return list_manifest(manifest, audio_root, data_set)
    return list_folder(str(audio_root), data_set, layout)


def fingerprint(listed: list[ListedFile]) -> str:
    """Return a hash of the files' names, sizes and times of change."""
    digest = hashlib.sha256()
    for item in listed:
        system, path = files.filesystem(item.uri)
        info = system.get_file_info(path)
        digest.update(f"{item}{info.size}{info.mtime_ns}".encode())
    return digest.hexdigest()
