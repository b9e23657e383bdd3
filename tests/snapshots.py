"""Write docs/tables.md, which is made from the schemas (`make snapshots`)."""

from pathlib import Path

from covers.schemas.registry import TABLES

ROOT = Path(__file__).resolve().parent.parent


def tables_document() -> str:
    parts = ["# Tables", "Made from `schemas/` by `make snapshots`."]
    for table in TABLES:
        checks = [f"- check `{name}`: `{rule}`" for name, rule in table.checks.items()]
        parts += [f"## {table.name}", f"{table.comment}.", table.markdown()]
        parts += ["\n".join(checks)] if checks else []
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    (ROOT / "docs" / "tables.md").write_text(tables_document())
