"""Rules of the layout, read off the source: what may import what, sizes, the shape of a job."""

import ast
import functools
import subprocess
import sys
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
    "triplets": {"catalog", "models"},
    "retrieval": {"audio", "models"},
    "training": {"audio", "models", "triplets"},
    "evaluation": {"audio", "models", "retrieval", "training"},
    "cli": {"retrieval"},  # the console script
}
SPARK = {  # modules that may import pyspark besides *_table and *_tables
    "io.lake", "io.maintenance", "io.model_store", "io.spark", "io.upsert", "cli.job", "cli.runner",
    "evaluation.benchmark", "evaluation.run", "models.registry",
    "synthesis.tables", "training.run",
}  # fmt: skip
MAX_FILE, MAX_FUNCTION, MAX_LOOP = 300, 60, 80  # lines

IMPORT_ALL_WITHOUT_SPARK = """
import importlib, sys

class NoSpark:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pyspark", "delta"):
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, NoSpark())
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""


def sources(folder: str) -> list[Path]:
    links = {ROOT / "lib/covers/jobs", ROOT / "lib/covers/schemas"}
    return [p for p in sorted((ROOT / folder).rglob("*.py")) if not links & set(p.parents)]


@functools.cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports must be absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module(path: Path) -> str:
    """Name below `covers`: io.lake."""
    inside = path.relative_to(ROOT / "lib/covers").with_suffix("")
    return ".".join(inside.parts).removesuffix(".__init__").removesuffix("__init__")


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]


def n_lines(function: ast.FunctionDef) -> int:
    """Lines of the body, blank ones and comments included, without the docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return function.end_lineno - body[0].lineno + 1 if body else 0


def test_schemas_import_neither_lib_nor_jobs():
    for path in sources("schemas"):
        ours = {i for i in imports(path) if i.startswith("covers.")}
        assert not [i for i in ours if not i.startswith("covers.schemas.")], path


def test_lib_imports_no_job_not_even_by_name():
    for path in sources("lib/covers"):
        assert not [i for i in imports(path) if i.startswith("covers.jobs")], path
        assert "covers.jobs" not in path.read_text().replace("`covers.jobs`", ""), path


def test_no_job_but_the_pipeline_imports_jobs():
    for path in sources("jobs"):
        if path.stem not in ("run_pipeline", "__init__"):
            assert not [i for i in imports(path) if i.startswith("covers.jobs")], path


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room):
    for path in sources(f"lib/covers/{room}"):
        others = {i.split(".")[1] for i in imports(path) if i.startswith("covers.")}
        others -= {room, "io", "errors", "schemas", "__version__"}
        assert others <= ROOMS[room], f"{path} imports {others - ROOMS[room]}"


def test_every_room_has_a_place_in_the_order():
    folders = {p.name for p in (ROOT / "lib/covers").iterdir() if (p / "__init__.py").exists()}
    assert folders - {"jobs", "schemas"} == set(ROOMS)


@pytest.mark.slow
def test_modules_other_than_tables_import_without_spark():
    names = {module(p) for p in sources("lib/covers")} - SPARK - {""}
    pure = sorted(n for n in names if not n.endswith(("_table", "_tables")))
    assert len(pure) > 60
    program = [sys.executable, "-c", IMPORT_ALL_WITHOUT_SPARK, *(f"covers.{n}" for n in pure)]
    done = subprocess.run(program, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0), done.stdout + done.stderr


def test_every_module_of_the_spark_list_exists():
    assert {module(p) for p in sources("lib/covers")} >= SPARK


def test_only_io_names_delta_tables_by_path():
    for path in sources("lib/covers"):
        if path.parent.name != "io":
            assert not [i for i in imports(path) if i.startswith(("delta.", "deltalake"))], path


def test_only_the_command_line_parses_arguments():
    for path in sources("lib/covers"):
        if path.parent.name != "cli" and path.stem != "__main__":
            assert "argparse" not in imports(path), path


@pytest.mark.parametrize("path", sources("lib/covers"), ids=module)
def test_file_and_its_functions_are_short(path):
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_FILE
    for function in functions(ast.parse(source)):
        is_loop = (module(path), function.name) == ("training.loop", "train")
        assert n_lines(function) <= (MAX_LOOP if is_loop else MAX_FUNCTION), function.name


@pytest.mark.parametrize("name", JOBS)
def test_job_reads_calls_and_writes(name):
    """A job's `run` is a straight line; what it computes is in lib. `main` is one line."""
    source = (ROOT / "jobs" / f"{name}.py").read_text()
    tree = ast.parse(source)
    by_name = {f.name: f for f in functions(tree)}
    assert {"parse_args", "run"} <= set(by_name)
    branching = ast.While | ast.Try | ast.For | ast.AsyncFor
    assert not [n for n in ast.walk(by_name["run"]) if isinstance(n, branching)]
    assert all(n_lines(f) <= 30 for n, f in by_name.items() if n != "parse_args")
    body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name != "parse_args"]
    assert sum(map(n_lines, body)) <= 60
    assert source.rstrip().endswith('if __name__ == "__main__":\n    JOB.main()')
