"""One Spark session for all tests, and a fresh lake for each that wants one."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

hypothesis_settings.register_profile("covers", deadline=None)  # other work may slow a machine down
hypothesis_settings.load_profile("covers")
ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ["COVERS_COMMIT"] = "tests"  # a commit meanwhile makes no step out of date
os.environ["COLUMNS"] = "100"  # argparse wraps --help by it
os.environ["PYTHONPATH"] = f"{ROOT}/lib:{ROOT}:{os.environ.get('PYTHONPATH', '')}"


def settings() -> dict[str, str]:
    """Settings of environment/spark.conf, with the jars that setup put beside the packages."""
    lines = (ROOT / "environment" / "spark.conf").read_text().splitlines()
    found = dict(line.split(None, 1) for line in lines if line.strip())
    jars = sorted((Path(sys.prefix) / "jars").glob("*.jar"))
    return found | {"spark.jars": ",".join(map(str, jars))}


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("tests")
    warehouse = str(tmp_path_factory.mktemp("warehouse"))
    conf = settings() | {
        "spark.sql.warehouse.dir": warehouse, "spark.driver.memory": "2g",
        # A handful of rows: planning, compiling and shuffling cost more than computing.
        "spark.sql.shuffle.partitions": "1", "spark.default.parallelism": "2",
        "spark.databricks.delta.snapshotPartitions": "1", "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }  # fmt: skip
    for name, value in conf.items():
        builder = builder.config(name, value.strip())
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def lake(spark, tmp_path):
    from covers.io.lake import Lake

    return Lake(spark, str(tmp_path / "lake"))


# Whole files and tests that take seconds each: not in `make check`, where tests/golden guards the answers.
SLOW = (
    "tests/api/test_api.py", "tests/audio/test_against_librosa.py",
    "tests/audio/test_extract.py::test_decoding_and_synthesis",
    "tests/audio/test_representations.py::test_sandbox_of_a_process", "tests/evaluation/test_systems.py",
    "tests/evaluation/test_leaderboard.py::test_costs", "tests/models/test_covernet.py",
    "tests/models/test_whitening.py", "tests/retrieval/test_embedding.py", "tests/retrieval/test_index.py",
    "tests/retrieval/test_reference_reader.py", "tests/retrieval/test_reference_set.py::test_a_query_in_its",
    "tests/retrieval/test_search.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # before -m deselects
def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
