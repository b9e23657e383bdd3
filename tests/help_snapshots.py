"""Write what every job's --help prints to tests/help/ (`make help-snapshots`)."""

import contextlib
import importlib
import io
import os
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    (HERE / "help").mkdir(exist_ok=True)
    for path in sorted((HERE.parent / "jobs").glob("[a-z]*.py")):
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
            importlib.import_module(f"jobs.{path.stem}").parse_args(["--help"])
        (HERE / "help" / f"{path.stem}.txt").write_text(shown.getvalue())
