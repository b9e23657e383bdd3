"""Documents agree with the code: commands parse, names exist, links resolve, tables equal their source."""

import ast
import importlib
import inspect
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import covers
from benchmarks import results
from covers.audio.augmentation.spec import EFFECTS
from covers.audio.sandbox import REASONS
from covers.schemas.registry import TABLES
from tests.snapshots import tables_document

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GENERATED = ROOT / "docs" / "tables.md"
WIDTHS = {README: 110, ROOT / "docs" / "research" / "lab_log.md": 200}
NAMES = ROOT / "docs" / "decisions" / "0015-names.md"  # lists the words that are no longer used
NOT_USED = (
    "nearest neighbour", "stranger", "hubs corrected", "hubs not corrected", "seven towers", "rivals", "as heard",
    "by wholes", "stretches of", "told by", "upside down", "shipped weights",
)  # fmt: skip
NOT_UNDERSTOOD = (
    "on songs as notes, and finds real covers that it has never heard",
    "finds them better than chance and than itself untrained; thirty songs are too few",
    "What could not be used is in table `quarantine`",
    "seven trainings side by side on versions of the 909 songs",
    "sets of other music that no training heard, by which weights",
    "it calls 2 to 5% of strangers covers",
    "With no kind of triplets does the CNN find real covers",
    "training ends by making its head anew, so that it whitens what",
    "Broken off, and gone on with",
    "more than real time allows to forget",
    "the towers tell of each window goes through",
    "What distance is usual: a hub, near to everything",
    "Each asks at its k tempi, its own first, and the others answer",
    "of the stretches that recordings are compared by besides",
    "of a batch, each compared for itself, the same for any",
    "the network, for this machine: minutes, then faster steps",
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def commands() -> list[tuple[str, str]]:
    """Return (document, command) of every shell line of a document; continued lines are joined."""
    lines = (
        (name_of(path), line.strip())
        for path in DOCUMENTS
        for block in blocks(path, "sh")
        for line in block.replace("\\\n", " ").replace("$seed", "1").splitlines()
    )
    return [(path, re.sub(r"^([A-Z_]+=\S+ )+", "", line)) for path, line in lines]


def arguments(program: str) -> list[tuple[str, list[str]]]:
    """Return (document, arguments) of every command that runs this program."""
    return [(p, shlex.split(c)[1:]) for p, c in commands() if c.split(" ")[0] == program]


SUBMITTED = arguments("./spark-submit.sh")
CONSOLE = arguments("covers")


@pytest.mark.parametrize(("path", "argv"), SUBMITTED, ids=[" ".join(a[:1]) for _, a in SUBMITTED])
def test_job_of_a_document_parses_its_flags(path, argv):
    job, *flags = argv
    try:
        importlib.import_module(f"covers.jobs.{job}").parse_args(flags)
    except SystemExit as error:
        pytest.fail(f"{path}: ./spark-submit.sh {shlex.join(argv)} exits with {error.code}")


@pytest.mark.parametrize(("path", "argv"), CONSOLE, ids=[" ".join(a[:1]) for _, a in CONSOLE])
def test_console_command_of_a_document_parses(path, argv):
    from covers.cli.main import build_parser

    try:
        build_parser().parse_args(argv)
    except SystemExit as error:
        pytest.fail(f"{path}: covers {shlex.join(argv)} exits with {error.code}")


def test_benchmark_of_a_document_is_a_module():
    text = "".join(path.read_text() for path in DOCUMENTS)
    named = set(re.findall(r"python -m benchmarks\.(\w+)", text))
    assert not [m for m in named if not (ROOT / "benchmarks" / f"{m}.py").exists()]


def test_make_target_of_a_document_exists():
    text = "".join(path.read_text() for path in DOCUMENTS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if blocks(p, "python")], ids=name_of)
def test_python_of_a_document_compiles_and_calls_what_exists(path):
    for block in blocks(path, "python"):
        for call in [n for n in ast.walk(ast.parse(block)) if isinstance(n, ast.Call)]:
            parts = ast.unparse(call.func).split(".")
            if parts[0] == "references":  # a ReferenceSet in all of them
                parts = ["covers", "ReferenceSet", *parts[1:]]
            if parts[0] != "covers":
                continue
            called = covers
            for part in parts[1:]:
                called = getattr(called, part)
            taken = set(inspect.signature(called).parameters)
            assert {k.arg for k in call.keywords} <= taken, ast.unparse(call)


def test_api_document_names_every_public_name_of_the_package():
    text = (ROOT / "docs" / "api.md").read_text()
    assert not [name for name in covers.__all__ if name not in text]


def test_module_that_a_document_names_exists():
    for path in DOCUMENTS:
        for dotted in re.findall(r"`covers\.([a-z_0-9.]+)`", path.read_text()):
            place = ROOT / "lib" / "covers" / dotted.replace(".", "/")
            found = place.is_dir() or place.with_suffix(".py").exists()
            assert found or dotted.split(".")[0] in dir(covers), f"{path}: covers.{dotted}"


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_relative_link_resolves(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[\w+\]: (\S+)$", text, re.M)
    for link in links:
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        found = (path.parent / target) if target else path
        assert found.exists(), link
        assert not anchor or anchor in anchors(found), link


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if p != GENERATED], ids=name_of)
def test_no_line_is_too_long(path):
    limit = WIDTHS.get(path, 120)
    assert not [line for line in path.read_text().splitlines() if len(line) > limit]


def test_readme_and_glossary_are_short():
    assert len(README.read_text().splitlines()) <= 120
    assert len((ROOT / "docs" / "glossary.md").read_text().splitlines()) <= 60


def test_nearest_neighbour_is_explained_once_and_home_made_words_are_gone():
    glossary = ROOT / "docs" / "glossary.md"
    assert glossary.read_text().count("nearest neighbour") == 1
    for path in set(DOCUMENTS) - {glossary, NAMES, GENERATED}:
        text = " ".join(path.read_text().split()).lower()
        assert not [word for word in NOT_USED if word in text], path


def test_sentences_that_nobody_understood_are_gone():
    folders = ("lib", "jobs", "schemas", "notebooks", "benchmarks", "docs")
    files = [p for f in folders for e in ("py", "md") for p in (ROOT / f).rglob(f"*.{e}")]
    for path in [*files, *ROOT.glob("*.md")]:
        text = " ".join(path.read_text().split())
        assert not [s for s in NOT_UNDERSTOOD if s in text], path


def test_results_equal_their_source():
    assert results.DOCUMENT.read_text() == results.document(), "make snapshots"


def test_document_of_the_tables_is_as_the_schemas_make_it():
    assert GENERATED.read_text() == tables_document(), "make snapshots"


def test_every_schema_is_registered():
    modules = {p.stem for p in (ROOT / "schemas").glob("[a-z]*.py")} - {"table", "registry"}
    assert {t.name for t in TABLES} == modules


def test_readme_names_every_job():
    readme = README.read_text()
    assert not [p.stem for p in (ROOT / "jobs").glob("[a-z]*.py") if f"`{p.stem}`" not in readme]


def test_audio_document_has_every_reason_and_every_effect():
    text = (ROOT / "docs" / "audio.md").read_text()
    rows = {f"| `{code}` | {meaning} |" for code, meaning in REASONS.items()}
    rows |= {f"| `{name}` | {e.about} | {e.unit} |" for name, e in EFFECTS.items()}
    assert not [row for row in rows if row not in text]


def test_training_document_has_every_setting_without_a_flag():
    from covers.training.config import TrainConfig
    from covers.training.settings import types_of

    text = (ROOT / "docs" / "training.md").read_text()
    flags = {
        "architecture", "representation", "batch_size", "epochs", "learning_rate", "loss", "crop_s", "seed",
        "init_weights",
    }  # fmt: skip
    assert not [name for name in set(types_of(TrainConfig)) - flags if f"`{name}`" not in text]


def test_no_generated_data_and_no_audio_is_in_the_repository():
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.split()
    forbidden = (".mp3", ".wav", ".flac", ".jar", ".whl", ".parquet", ".mid")
    assert not [f for f in listed if f.endswith(forbidden)]
