"""Write docs/results.md from docs/results.json (`make snapshots`): one table a question, no prose in between.

    python -m benchmarks.results

*Conventions.* results.json holds ``{"sections": [{title, question, source, columns, rows}]}``. A cell is a
text (printed as it is), an integer (printed with thousands separators), a float in [0, 1] (printed as
.957), a list ``[value, low, high]`` (printed with its 95% interval), or null (left empty). ``"XXX"`` marks
a value that is still to be measured. A row whose first cell begins with ``*`` is printed in bold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
SOURCE, DOCUMENT = DOCS / "results.json", DOCS / "results.md"


def cell(value: Any) -> str:
    """Return one cell of a table as text.

    Examples
    --------
    >>> cell([0.9571, 0.883, 1.0]), cell(0.5), cell(1.0), cell(230720), cell(None), cell("15 s")
    ('.957 (.883–1.000)', '.500', '1.000', '230,720', '', '15 s')
    """
    if value is None:
        return ""
    if isinstance(value, list):
        middle, low, high = map(cell, value)
        return f"{middle} ({low}–{high})"
    if isinstance(value, float):
        return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(columns: list[str], rows: list[list[Any]]) -> str:
    """Return a Markdown table.

    Raises
    ------
    ValueError
        If a row has another number of cells than there are columns.
    """
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"a row must have {len(columns)} cells, got {row!r}")
        bold = isinstance(row[0], str) and row[0].startswith("*")
        cells = [cell(v.lstrip("*") if isinstance(v, str) else v) for v in row]
        lines.append("| " + " | ".join(f"**{c}**" if bold and c else c for c in cells) + " |")
    return "\n".join(lines)


def document() -> str:
    """Return docs/results.md as results.json has it."""
    stored = json.loads(SOURCE.read_text(encoding="utf-8"))
    blocks = ["# Results", stored["introduction"]]
    for section in stored["sections"]:
        blocks += [f"## {section['title']}", section["question"]]
        blocks += [table(section["columns"], section["rows"]), section["source"]]
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
