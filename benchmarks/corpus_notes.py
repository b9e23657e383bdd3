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

TUNES = ("airdsAirs", "oneills1850", "ryansMammoth", "miscFolk", "nottingham-dataset")
LEAST = 24  # notes of a tune


def notes_of(part: object) -> list[tuple[float, float, float]]:
    """Return (onset, duration, pitch) in quarters; ties joined, the highest of a chord."""
    found = []
    for note in part.flatten().stripTies().notes:
        pitch = max(p.midi for p in note.pitches) if note.pitches else None
        if pitch is not None and note.quarterLength > 0:
            found.append((float(note.offset), float(note.quarterLength), float(pitch)))
    return found


def pieces_in(path: Path) -> list:
    """Return the scores of a file; none where music21 cannot read it."""
    try:
        read = converter.parse(path)
    except Exception as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return []
    return list(getattr(read, "scores", None) or [read])


def title_of(score: object) -> str:
    title = (score.metadata.title if score.metadata else None) or ""
    title = re.sub(r"[,.]?\s*\b(The|A|An)$|^(The|A|An)\b", "", title.strip(), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]+", " ", title.casefold()).strip()


def main() -> None:
    warnings.simplefilter("ignore")
    root, told = Path(common.getCorpusFilePath()), []
    files = [(path, c) for c in TUNES for path in sorted((root / c).glob("*.abc"))]
    files += [(path, "bach") for path in sorted((root / "bach").glob("bwv*.mxl"))]
    for number, (path, collection) in enumerate(files):
        if not number % 20:
            print(f"{number} of {len(files)} files", file=sys.stderr)
        for score in pieces_in(path):
            try:
                parts = [notes_of(part) for part in (score.parts or [score])]
            except Exception as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                continue
            parts = [notes for notes in parts if notes]
            wanted = len(parts) == 4 if collection == "bach" else bool(parts)
            if wanted and len(parts[0]) >= LEAST:
                told.append(
                    {
                        "collection": collection,
                        "title": path.stem if collection == "bach" else title_of(score),
                        "parts": parts if collection == "bach" else parts[:1],
                    }
                )
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
