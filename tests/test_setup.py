"""On an incomplete machine set-up ends with one line that names the package to install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("bash", "cat", "cut", "dirname", "sed", "sha256sum", "java", "g++", "make", "git")


@pytest.fixture
def setup(tmp_path):
    """Run a copy of set-up on a PATH that has all tools but one."""
    shutil.copytree(ROOT / "environment", tmp_path / "environment")
    path = tmp_path / "bin"
    path.mkdir()

    def run(without, **env):
        for tool in TOOLS:
            if tool != without:
                (path / tool).symlink_to(shutil.which(tool))
        if without != "python3.11":
            (path / "python3.11").symlink_to(sys.executable)
        return subprocess.run(
            [str(path / "bash"), str(tmp_path / "environment" / "setup.sh")],
            env={"PATH": str(path), "HOME": str(tmp_path)} | env, capture_output=True, text=True,
        )  # fmt: skip

    return run


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="the machine lacks a tool itself")
@pytest.mark.parametrize(
    ("without", "install"),
    [
        ("java", "apt-get install openjdk-17-jdk-headless"), ("g++", "apt-get install g++"),
        ("make", "apt-get install make"), ("git", "apt-get install git"),
        ("python3.11", "apt-get install python3.11 python3.11-venv"),
    ],
)  # fmt: skip
def test_missing_tool_ends_with_one_line_and_the_package_to_install(
    setup, tmp_path, without, install
):
    done = setup(without)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert install in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_python_of_another_version_is_refused(setup):
    done = setup("python3.11", PYTHON="python-from-nowhere")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)


def test_second_setup_starts_at_once():
    if not (ROOT / ".venv" / ".ready").exists():
        pytest.skip("set-up was not made by make setup here")
    done = subprocess.run(
        ["bash", str(ROOT / "environment" / "setup.sh")], env=os.environ, capture_output=True,
        text=True, timeout=10,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
