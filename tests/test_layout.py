"""The import rule and the shape of jobs, read off the source itself."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
JOBS = sorted(p.stem for p in (ROOT / "jobs").glob("[a-z]*.py"))
ROOMS = {  # what a room may import besides itself, io, errors and schemas: never upwards
    "io": set(),
    "catalog": set(),
    "audio": {"catalog"},
    "models": {"audio"},
    "synthesis": {"audio", "models"},
    "triplets": {"audio", "catalog", "models"},
    "training": {"audio", "models", "triplets"},
    "retrieval": {"audio", "models"},
    "evaluation": {"audio", "models", "retrieval", "training"},
    "cli": {"training"},
}


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
    links = (ROOT / "lib/covers/jobs", ROOT / "lib/covers/schemas")
    return [p for p in sorted((ROOT / folder).rglob("*.py")) if not set(links) & set(p.parents)]


def test_schemas_import_neither_lib_nor_jobs():
    for path in of("schemas"):
        assert not [i for i in imports(path) if i.startswith("covers.") and ".schemas." not in i], (
            path
        )


def test_lib_imports_no_job():
    for path in of("lib"):
        assert not [i for i in imports(path) if i.startswith("covers.jobs")], path


def test_a_job_imports_no_job():
    for path in of("jobs"):
        assert not [i for i in imports(path) if i.startswith("covers.jobs")], path


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_library_imports_only_those_below_it(room):
    for path in of(f"lib/covers/{room}"):
        others = {i.split(".")[1] for i in imports(path) if i.startswith("covers.")}
        others -= {room, "io", "errors", "schemas"}
        assert others <= ROOMS[room], f"{path} imports {others - ROOMS[room]}"


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
