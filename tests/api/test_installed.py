"""The wheel and the sdist, each installed alone into a fresh environment, compare two files.

Third-party packages come from the project's environment, by a .pth file: downloading torch once more would
take minutes. What only the extras need, Spark and Horovod among it, is blocked, as if it were not there; so
is the checkout, outside of which everything runs.
"""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import soundfile as sf

from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import VersionSpec
from tests.test_package import built  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow

UV = Path(sys.executable).with_name("uv")
BLOCKED = (  # modules of the extras
    "pyspark", "delta", "psutil", "rich", "tenacity", "xgboost", "skops", "faiss", "mido", "audiomentations",
    "torchcodec", "petastorm", "horovod", "pytorch_metric_learning", "torchvision", "mlflow", "tensorboard",
    "jinja2", "matplotlib",
)  # fmt: skip
BLOCKER = """import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}: blocked", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run(folder, *argv):
    """Run a program outside the checkout, without anything of this environment's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SPARK", "COVERS"))}
    return subprocess.run(
        [str(x) for x in argv], cwd=folder, env=kept, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module", params=["*.whl", "*.tar.gz"])
def installed(request, built, tmp_path_factory):  # noqa: F811
    """The bin folder of a fresh environment in which one of the two is installed."""
    folder = tmp_path_factory.mktemp("installed")
    (package,) = built.glob(request.param)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True)
    programs = folder / "env" / "bin"
    site = Path(
        run(folder, programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )  # fmt: skip
    (site / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ("pip", "install", "-q", "--offline", "--no-deps", "--no-build-isolation")
    run(folder, UV, *install, "--python", programs / "python", package)
    (site / "blocker.py").write_text(BLOCKER.format(blocked=set(BLOCKED)))
    (site / "blocker.pth").write_text("import blocker\n")
    return programs


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two versions of a song, the second four semitones higher."""
    folder, song = tmp_path_factory.mktemp("pair"), compose(0, 7)
    for name, shift in (("a.wav", 0), ("b.wav", 4)):
        spec = VersionSpec(1, transpose=shift, form=(0, 1, 2))
        sf.write(folder / name, render(arrange(song, spec), spec), 16_000)
    return folder


def test_exactly_one_name_is_installed_and_imported_from_there(installed):
    code = (
        "import importlib.metadata as m, covers; print(covers.__file__); "
        "print(*{f.parts[0] for f in m.distribution('covers').files})"
    )
    file, names = run(installed, installed / "python", "-c", code).splitlines()
    assert Path(file).is_relative_to(installed.parent)
    top = {n for n in names.split() if not n.endswith(".dist-info") and n != ".."}
    assert top == {"covers"}
    assert (installed / "covers").is_file()


def test_what_only_extras_need_is_not_there(installed):
    code = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError: print(name)"
    )
    out = run(installed, installed / "python", "-c", code, *BLOCKED)
    assert out.split() == list(BLOCKED)


def test_the_console_script_compares_two_files(installed, pair):
    found = json.loads(run(pair, installed / "covers", "compare", "a.wav", "b.wav", "--json"))
    assert found["transposition"] == 4
    assert found["probability"] > 0.5
    assert found["span_a"][1] > 10


def test_a_folder_is_searched_and_evaluated_from_a_notebook(installed, pair):
    (pair / "m.csv").write_text("path,work_id\na.wav,x\nb.wav,x\nc.wav,y\n")
    song, spec = compose(1, 7), VersionSpec(1, form=(0, 1, 2))
    sf.write(pair / "c.wav", render(arrange(song, spec), spec), 16_000)
    code = (
        "import covers\n"
        "print(covers.embed('a.wav').track.shape[0])\n"
        "print(*covers.ReferenceSet.read('.').search('a.wav', k=2).recording_id)\n"
        "print(*covers.evaluate(manifest='m.csv').system)\n"
    )
    k, first, systems = run(pair, installed / "python", "-c", code).splitlines()
    assert int(k) == 3
    assert first.split() == ["a.wav", "b.wav"]
    assert {"search", "exhaustive", "qmax", "chance"} <= set(systems.split())
