"""Write what is recorded of the code: every job's --help, and docs/tables.md (`make snapshots`)."""

import contextlib
import importlib
import io
import os
from pathlib import Path

from covers.schemas.registry import TABLES

ROOT = Path(__file__).resolve().parent.parent


def help_of(job: str) -> str:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
        importlib.import_module(f"covers.jobs.{job}").parse_args(["--help"])
    return shown.getvalue()


def tables_document() -> str:
    parts = ["# Tables", "Made from `schemas/` by `make snapshots`."]
    for table in TABLES:
        checks = [f"- check `{name}`: `{rule}`" for name, rule in table.checks.items()]
        parts += [f"## {table.name}", f"{table.comment}.", table.markdown()]
        parts += ["\n".join(checks)] if checks else []
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    (ROOT / "tests" / "help").mkdir(exist_ok=True)
    for path in sorted((ROOT / "jobs").glob("[a-z]*.py")):
        (ROOT / "tests" / "help" / f"{path.stem}.txt").write_text(help_of(path.stem))
    (ROOT / "docs" / "tables.md").write_text(tables_document())
