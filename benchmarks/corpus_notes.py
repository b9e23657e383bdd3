"""Notes of music21's corpus, as JSON on standard output; run by a Python that has music21.

python -m venv m21 && m21/bin/pip install music21
m21/bin/python benchmarks/corpus_notes.py > notes.json

Two kinds of pieces that several people set: tunes printed in several old collections, and chorales
that Bach harmonised more than once. Some of the corpus is for non-commercial use, and none of it is
kept here.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path

from music21 import common, converter

TUNES = (
    "airdsAirs", "oneills1850", "ryansMammoth", "miscFolk", "nottingham-dataset", "essenFolksong",
)  # fmt: skip
LEAST = 24  # notes of a tune


def notes_of(part: object) -> list[tuple[float, float, float]]:
    """Return (onset, duration, pitch) in quarters; ties joined, the highest of a chord."""
    found = []
    for note in part.flatten().stripTies().notes:
        pitch = max(p.midi for p in note.pitches) if note.pitches else None
        if pitch is not None and note.quarterLength > 0:
            found.append((float(note.offset), float(note.quarterLength), float(pitch)))
    return found


def titles_in(path: Path) -> dict[int, str]:
    """Return the titles of an ABC file's tunes by their number, without articles, lower case."""
    found: dict[int, str] = {}
    number = None
    for line in path.read_text(errors="replace").splitlines():
        if line.startswith("X:"):
            number = int(re.sub(r"\D", "", line) or 0)
        elif line.startswith("T:") and number is not None:
            found.setdefault(number, plain(line[2:]))
    return found


def collection_of(path: Path) -> str:
    """Return the collection that a file is of: the Essen files are of one collector each."""
    folder = path.parent.name
    return re.sub(r"\d+", "", path.stem) if folder == "essenFolksong" else folder


def plain(title: str) -> str:
    """Return a title to compare by.

    >>> plain("Rakes of Mallow, The")
    'rakes of mallow'
    """
    title = re.sub(r"[,.]?\s*\b(The|A|An)$|^(The|A|An)\b", "", title.strip(), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", " ", title.casefold()).strip()


def parts_of(path: Path, number: int | None) -> list[list[tuple[float, float, float]]]:
    """Return the parts of a piece that have notes; none where music21 cannot read it."""
    try:
        score = converter.parse(path, number=number, format="abc" if number else None)
        found = [notes_of(part) for part in (score.parts or [score])]
    except Exception as error:  # its readers raise what they please
        print(f"{path.name} {number or ''}: {error}", file=sys.stderr)
        return []
    return [notes for notes in found if notes]


def main() -> None:
    warnings.simplefilter("ignore")
    root, told = Path(common.getCorpusFilePath()), []
    listed = [
        (path, number, collection_of(path), title)
        for collection in TUNES
        for path in sorted((root / collection).glob("*.abc"))
        for number, title in titles_in(path).items()
    ]
    printed_in: dict[str, set[str]] = {}
    for _, _, collection, title in listed:
        printed_in.setdefault(title, set()).add(collection)
    wanted = [row for row in listed if row[3] and len(printed_in[row[3]]) > 1]
    wanted += [(p, None, "bach", p.stem) for p in sorted((root / "bach").glob("bwv*.mxl"))]
    for place, (path, number, collection, title) in enumerate(wanted):
        if not place % 100:
            print(f"{place} of {len(wanted)} pieces", file=sys.stderr)
        parts = parts_of(path, number)
        parts = parts if collection == "bach" else parts[:1]
        if len(parts) == (4 if collection == "bach" else 1) and len(parts[0]) >= LEAST:
            told.append({"collection": collection, "title": title, "parts": parts})
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
