"""The wheel and the sdist hold the code and what it needs beside it, under one name."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the wheel and the sdist, built from a copy: nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("built")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()  # fmt: skip
    copy = ["tar", "-cf", str(folder / "tree.tar"), "-C", str(ROOT)]
    subprocess.run([*copy, *[f for f in listed if (ROOT / f).exists()]], check=True)
    (folder / "tree").mkdir()
    with tarfile.open(folder / "tree.tar") as archive:
        archive.extractall(folder / "tree", filter="tar")
    make = [
        sys.executable,
        "setup.py",
        "-q",
        "sdist",
        "-d",
        str(folder),
        "bdist_wheel",
        "-d",
        str(folder),
    ]
    subprocess.run(make, cwd=folder / "tree", check=True, capture_output=True)
    return folder


def code():
    """Files of the package, by their place in it."""
    folders = {
        "covers": ROOT / "lib" / "covers",
        "covers/schemas": ROOT / "schemas",
        "covers/jobs": ROOT / "jobs",
    }
    return {
        f"{name}/{p.relative_to(folder)}"
        for name, folder in folders.items()
        for p in folder.rglob("*.py")
        if "__pycache__" not in p.parts
    }


def test_wheel_holds_the_code_the_weights_and_the_template_under_one_name(built):
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    names = set(archive.namelist())
    assert code() <= names
    assert {
        "covers/evaluation/report.html.j2",
        "covers/models/pretrained/covernet.safetensors",
    } <= names
    (top,) = (n for n in names if n.endswith("top_level.txt"))
    assert archive.read(top).decode().split() == ["covers"]
    assert {n.split("/")[0] for n in names} == {"covers", top.split("/")[0]}


def test_sdist_holds_what_the_wheel_is_built_from(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {n.split("/", 1)[1] for n in archive.getnames() if "/" in n}
    assert {f"lib/{name}" for name in code()} <= inside
    assert {
        "setup.py",
        "pyproject.toml",
        "lib/covers/models/pretrained/covernet.safetensors",
    } <= inside
