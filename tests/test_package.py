"""The wheel that clusters install holds the code and what it needs beside it."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_wheel_holds_jobs_library_schemas_and_the_reports_template(tmp_path):
    base = ["build", "--build-base", str(tmp_path / "b")]
    build = [*base, "bdist_wheel", "-d", str(tmp_path), "--bdist-dir", str(tmp_path / "build")]
    subprocess.run(
        [sys.executable, "setup.py", "-q", "egg_info", "-e", str(tmp_path), *build],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    code = {
        str(p.relative_to(ROOT))
        for folder in ("jobs", "lib", "schemas")
        for p in (ROOT / folder).rglob("*.py")
    }
    assert code <= names
    assert "lib/evaluation/report.html.j2" in names
    assert not [n for n in names if n.startswith("tests")]
