"""Files outside tables: any URI that Arrow can open, copied to where a library can read them.

*Conventions.* A URI is a local path, ``file:…``, or ``s3a: dbfs: abfss: hdfs:``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import fs

_CHUNK = 1 << 20


def filesystem(uri: str) -> tuple[fs.FileSystem, str]:
    """Return Arrow's file system for ``uri`` and the path inside it.

    Raises
    ------
    ValueError
        If Arrow knows no such scheme.
    """
    if uri.startswith("dbfs:"):
        return fs.LocalFileSystem(), "/dbfs/" + uri.removeprefix("dbfs:").lstrip("/")
    if uri.startswith("file:") or not re.match(r"^[a-z0-9]+:", uri):
        return fs.LocalFileSystem(), os.path.abspath(re.sub(r"^file:(//)?", "", uri))
    try:
        return fs.FileSystem.from_uri(re.sub(r"^s3[an]:", "s3:", uri))
    except Exception as error:
        raise ValueError(
            f"uri must have a scheme that Arrow can open, got {uri!r} ({error}); "
            "use a local folder, s3a:, hdfs:, abfss: or dbfs:"
        ) from error


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a local file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def content_id(prefix: str, *content: object) -> str:
    """Return ``prefix`` and 12 hex digits of a hash of ``content``: equal content, equal id."""
    text = json.dumps(content, sort_keys=True, default=str)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to; at the end it is flushed and renamed to ``path``.

    Readers of ``path`` see the old file or the complete new one. The temporary name keeps the
    suffix, by which libraries choose a format. After an error it is removed.
    """
    path = Path(path)
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def put(local: str | Path, uri: str) -> str:
    """Copy a local file to ``uri``, completely or not at all; return its SHA-256."""
    system, path = filesystem(uri)
    system.create_dir(os.path.dirname(path), recursive=True)
    part = f"{path}.part{os.getpid()}"
    with open(local, "rb") as source, system.open_output_stream(part) as target:
        shutil.copyfileobj(source, target, _CHUNK)
    system.move(part, path)
    return sha256_of(local)


@contextmanager
def local(uri: str) -> Iterator[str]:
    """Yield a local path with the content of ``uri``; a copy is removed at the end.

    Raises
    ------
    OSError
        If a file that is not local cannot be read.
    """
    path = local_copy(uri)
    try:
        yield path
    finally:
        if path != filesystem(uri)[1]:
            os.unlink(path)


def local_copy(uri: str) -> str:
    """Return a local path with the content of ``uri``: itself where it is local already."""
    system, path = filesystem(uri)
    if isinstance(system, fs.LocalFileSystem):
        return path
    handle, local = tempfile.mkstemp(suffix=os.path.splitext(path)[1])
    with os.fdopen(handle, "wb") as target, system.open_input_stream(path) as source:
        shutil.copyfileobj(source, target, _CHUNK)
    return local
