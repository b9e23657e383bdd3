import argparse
import json

import pytest

from covers.cli import job, pipeline, runner
from covers.cli.job import Job
from covers.cli.parser import checked, job_parser
from covers.errors import InputError
from covers.io import maintenance, model_store
from covers.io.files import content_id
from covers.io.model_store import ModelRecord
from covers.jobs import maintain_tables
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.runs import RUNS


def test_same_things_give_the_same_id_and_other_things_another():
    assert content_id("scaler", {"a": 1, "b": 2}) == content_id("scaler", {"b": 2, "a": 1})
    assert content_id("scaler", {"a": 1}) != content_id("scaler", {"a": 2})


def test_retention_below_deltas_safe_limit_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="at least 168 h, got 1"):
        checked(maintain_tables.retention)("1")
    with pytest.raises(ValueError, match="at least 168 h, got 1"):
        maintenance.maintain(None, [], retain_hours=1)


def test_data_set_without_a_manifest_is_refused():
    with pytest.raises(InputError, match="got 'mine'"):
        pipeline.parse_data_set("mine")


def test_arguments_that_only_say_where_do_not_decide_the_result():
    parser = job_parser("a: b")
    one = parser.parse_args(["--lake", "x", "--json", "f"])
    other = parser.parse_args(["--lake", "y", "--dry-run"])
    assert job.arguments_of(one) == job.arguments_of(other)
    third = parser.parse_args(["--lake", "x", "--seed", "4"])
    assert job.arguments_of(one) != job.arguments_of(third)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights")
    return str(path)


@pytest.mark.spark
def test_registered_model_comes_back_with_its_settings(lake, file):
    model_store.register(lake, ModelRecord("m-1", "cnn", file, {"epochs": 3}, {"loss": 0.5}))
    found = model_store.newest(lake, "cnn")
    assert (found.model_id, found.config, found.metrics) == ("m-1", {"epochs": 3}, {"loss": 0.5})


@pytest.mark.spark
def test_model_whose_file_was_changed_is_refused(lake, file):
    model_store.register(lake, ModelRecord("m-1", "cnn", file, {}, {}))
    with open(model_store.find(lake, "m-1").path, "wb") as changed:
        changed.write(b"other")
    with pytest.raises(InputError, match="file of model m-1 must have SHA-256"):
        model_store.find(lake, "m-1")


@pytest.mark.spark
def test_model_trained_for_comparison_is_never_the_latest(lake, file):
    model_store.register(lake, ModelRecord("use", "cnn", file, {}, {}))
    model_store.register(lake, ModelRecord("later", "cnn", file, {}, {}, "comparison"))
    assert model_store.newest(lake, "cnn").model_id == "use"


@pytest.mark.spark
def test_unknown_model_lists_the_known_ones(lake, file):
    model_store.register(lake, ModelRecord("m-1", "cnn", file, {}, {}))
    with pytest.raises(InputError, match=r"one of \['m-1'\], got 'm-2'"):
        model_store.find(lake, "m-2")


def writer():
    """A job of one row, as the simplest there can be."""

    def run(lake, args):
        lake.upsert_rows([("q", "track", "f", "r", "d", None, "t")], QUARANTINE)
        return {"read": 1}

    return Job("writer", job_parser("writer: x").parse_args, run, (), (QUARANTINE,))


@pytest.mark.spark
def test_run_is_recorded_with_versions_and_is_up_to_date_until_something_changes(lake):
    job = writer()
    args = job.parse_args(["--lake", lake.uri])
    assert not runner.is_up_to_date(lake, job, args, set())
    assert job.execute(lake.spark, args) == 0
    row = lake.read(RUNS).head()
    assert (row["job"], json.loads(row["outputs"])["quarantine"]) == ("writer", 1)
    assert runner.is_up_to_date(lake, job, args, set())
    other = job.parse_args(["--lake", lake.uri, "--seed", "9"])
    assert not runner.is_up_to_date(lake, job, other, set())


@pytest.mark.spark
def test_maintenance_keeps_rows_and_versions(lake):
    for i in range(3):
        lake.upsert_rows([(f"q{i}", "track", "f", "r", "d", None, "t")], QUARANTINE)
    before = lake.version(QUARANTINE)
    sizes = maintenance.maintain(lake, [QUARANTINE, RUNS], retain_hours=168)
    assert [(s["table"], s["rows"], s["files_after"]) for s in sizes] == [("quarantine", 3, 1)]
    assert lake.read(QUARANTINE, before).count() == 3
    assert lake.version(QUARANTINE) > before
    assert not lake.changed_since(QUARANTINE, before)
    lake.upsert_rows([("q9", "track", "f", "r", "d", None, "t")], QUARANTINE)
    assert lake.changed_since(QUARANTINE, before)
