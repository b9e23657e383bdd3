"""The import rule and the shape of jobs, read off the source itself."""

import ast
from pathlib import Path

import pytest

from tests.snapshots import help_of

ROOT = Path(__file__).resolve().parent.parent
JOBS = sorted(p.stem for p in (ROOT / "jobs").glob("[a-z]*.py"))
SUBJECTS = ("catalog", "audio", "triplets", "training", "retrieval", "evaluation", "io")
ALLOWED = {
    "catalog": set(), "audio": set(), "triplets": {"audio"}, "io": set(),
    "training": {"triplets", "audio"}, "retrieval": {"training", "audio"},
    "evaluation": {"retrieval", "training", "audio"},
}  # fmt: skip


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports must be absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def of(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_schemas_import_neither_lib_nor_jobs():
    for path in of("schemas"):
        assert not [i for i in imports(path) if i.split(".")[0] in ("lib", "jobs")], path


def test_lib_imports_no_job():
    for path in of("lib"):
        assert not [i for i in imports(path) if i.split(".")[0] == "jobs"], path


def test_a_job_imports_no_job():
    for path in of("jobs"):
        assert not [i for i in imports(path) if i.split(".")[0] == "jobs"], path


@pytest.mark.parametrize("subject", SUBJECTS)
def test_subjects_of_lib_import_only_those_they_may(subject):
    for path in of(f"lib/{subject}"):
        others = {i.split(".")[1] for i in imports(path) if i.startswith("lib.")} - {subject, "io"}
        assert others <= ALLOWED[subject], f"{path} imports {others - ALLOWED[subject]}"


def test_only_io_and_schemas_name_delta_tables_by_path():
    for path in of("lib"):
        if "/io/" not in str(path):
            assert "delta.tables" not in path.read_text(), path


@pytest.mark.parametrize("name", JOBS)
def test_job_has_at_most_sixty_lines_beside_its_arguments_and_no_loop_in_run(name):
    source = (ROOT / "jobs" / f"{name}.py").read_text()
    functions = {n.name: n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}
    arguments = functions["parse_args"]
    n_arguments = arguments.end_lineno - arguments.lineno
    assert len(source.splitlines()) - n_arguments <= 60
    assert not [n for n in ast.walk(functions["run"]) if isinstance(n, ast.While | ast.Try)]


@pytest.mark.parametrize("name", JOBS)
def test_help_of_every_job_is_as_recorded(name):
    recorded = ROOT / "tests" / "help" / f"{name}.txt"
    assert help_of(name) == recorded.read_text(), f"make snapshots writes {recorded}"


def test_there_is_a_job_for_every_row_of_the_design_and_one_of_decision_9():
    assert len(JOBS) == 20 + 1
