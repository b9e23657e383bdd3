"""The small demo from data to report: every job, twice; then what its users do with the tables."""

import json
import os
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from covers.retrieval.hearing import hear
from deltalake import DeltaTable, QueryBuilder

from covers.cli.job import DONE
from covers.evaluation import dataset
from covers.evaluation.report import NAMES
from covers.evaluation.run import evaluate_set
from covers.evaluation.systems import all_distances
from covers.io.lake import Lake
from covers.jobs import run_pipeline
from covers.models import registry
from covers.retrieval import alignment, scoring
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.registry import TABLES
from covers.schemas.runs import RUNS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.triplets import TRIPLETS

ROOT = Path(__file__).resolve().parent.parent.parent
JOBS = {p.stem for p in (ROOT / "jobs").glob("[a-z]*.py")} - {"run_pipeline", "join_networks"}
pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def made(spark, tmp_path_factory):
    """Folder of a whole small run, and what the run said as JSON."""
    folder = tmp_path_factory.mktemp("pipeline")
    return folder, run(spark, folder)


def run(spark, folder):
    args = run_pipeline.parse_args([
        "--lake", str(folder / "lake"), "--out", str(folder), "--demo", "--demo-works", "24",
        "--epochs", "16", "--compare-epochs", "1", "--classifier-epochs", "1", "--per-anchor", "2",
        "--crop-seconds", "15", "--json", str(folder / "said.json"),
    ])  # fmt: skip
    assert run_pipeline.JOB.execute(spark, args) == DONE
    return json.loads((folder / "said.json").read_text())


def lake_of(spark, made):
    return Lake(spark, str(made[0] / "lake"))


def test_every_job_ran_and_every_table_has_rows(spark, made):
    lake = lake_of(spark, made)
    assert {step["step"] for step in made[1]["steps"]} == JOBS
    assert not [t.name for t in TABLES if not lake.count(t)]


def test_report_is_there_and_names_every_system(made):
    page = (made[0] / "report-demo.html").read_text()
    for name in NAMES.values():
        assert name in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_trained_network_beats_chance_and_itself_untrained(spark, made):
    rows = lake_of(spark, made).read(EVALUATIONS).where("metric = 'map'")
    found = {r["system"]: r["value"] for r in rows.where("setting = 'whole recordings'").collect()}
    model = next(v for k, v in found.items() if k.startswith("covernet-"))
    # Four works are judged: by how much is said by tests/training/test_finding_unseen_works.py.
    assert model > found["untrained"]
    assert model > 1.5 * found["chance"]


def test_shipped_network_is_judged_by_wholes_nearest_stretches_and_alignment(spark, made):
    network = registry.resolve(None, "shipped").only(tempo_factors=[1.0, 1.25], segment_s=[8, 4])
    data = dataset.from_lake(lake_of(spark, made), "demo", {"model": network})
    heard, rolls = data.heard["model"]
    assert len(heard) == len(data.chromas)
    for chroma, found in zip(data.chromas, heard, strict=True):
        here = hear(network, chroma, 4.0)
        np.testing.assert_allclose(found.wholes, here.wholes, atol=1e-5)
        assert [len(x) for x in found.stretches] == [len(x) for x in here.stretches]
        np.testing.assert_allclose(found.windows, here.windows, atol=1e-3)
    distances = all_distances(data, baselines=False)
    wholes = np.stack([x.wholes for x in heard])
    assert wholes.shape[:2] == (len(data.chromas), 2)
    np.testing.assert_array_equal(distances["model_whole"], scoring.as_searched(wholes, rolls))
    plain = scoring.of_embeddings(wholes, rolls)
    assert np.abs(distances["model_plain"] - plain).max() > 0.01
    corrected = scoring.s_normalized(distances["model_plain"])
    assert np.abs(distances["model"] - corrected).max() > 0.1


def test_a_set_too_large_to_align_is_judged_without_and_says_so(spark, made, monkeypatch):
    network = registry.resolve(None, "shipped")
    told = {}
    for most in (alignment.MOST, 3):
        monkeypatch.setattr(alignment, "MOST", most)
        lake = lake_of(spark, made)
        data = dataset.from_lake(lake, "demo", {"model": network})
        judged = evaluate_set(lake, data, network, baselines=False, seed=1, report=None)
        told[most] = judged.summary
    assert "aligned" not in told.pop(1000)
    (told,) = told.values()
    assert told["aligned"] == "no: more than 3 recordings"
    assert "model_aligned" not in told
    assert told["model"]["map"]["value"] > told["chance"]["map"]["value"]


def test_no_test_recording_is_in_a_triplet(spark, made):
    lake = lake_of(spark, made)
    from covers.schemas.recordings import RECORDINGS

    test = {r["recording_id"] for r in lake.read(RECORDINGS).where("split = 'test'").collect()}
    triplets = lake.read(TRIPLETS).collect()
    assert test
    assert not test & {t[role] for t in triplets for role in ("anchor", "positive", "negative")}


def test_what_was_read_can_be_read_again_at_its_version(spark, made):
    lake = lake_of(spark, made)
    row = lake.read(MODELS).where("kind = 'covernet'").head()
    inputs = json.loads(row["inputs"])
    assert lake.read(TRIPLETS, inputs["triplets"]).count() > 0
    assert lake.read(SPECTROGRAMS, inputs["spectrograms"]).count() > 0


def test_second_run_finds_everything_up_to_date(spark, made):
    lake = lake_of(spark, made)
    before = {t.name: lake.version(t) for t in TABLES if t is not RUNS}
    again = run(spark, made[0])
    done = {s["step"] for s in again["steps"] if s["outcome"] != "up to date"}
    assert done <= {"find_covers", "maintain_tables"}
    after = {t.name: lake.version(t) for t in TABLES if t is not RUNS}
    assert {n for n in before if before[n] != after[n]} == set()


def test_tables_answer_without_spark(made):
    runs = QueryBuilder().register("runs", DeltaTable(made[0] / "lake" / "runs"))
    jobs = runs.execute("SELECT DISTINCT job FROM runs").read_all().column("job").to_pylist()
    assert set(jobs) >= JOBS - {"make_demo_data"}
    assert len(DeltaTable(made[0] / "lake" / "cluster_models").to_pandas()) == 2


def test_sql_examples_of_the_catalogue_answer(spark, made):
    page = (ROOT / "docs" / "catalogue.md").read_text()
    examples = re.findall(r"```sql\n(.+?);\n```", page, re.DOTALL)
    assert len(examples) >= 5
    for example in examples:
        assert spark.sql(example.replace("/data/lake", str(made[0] / "lake"))).count(), example


@pytest.mark.parametrize(
    "notebook", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda p: p.stem
)
def test_notebook_runs_on_the_lake_and_calls_only_lib(spark, made, notebook, monkeypatch, capsys):
    source = notebook.read_text()
    assert source.startswith("# Databricks notebook source\n")
    assert "from covers.jobs" not in source
    monkeypatch.setitem(os.environ, "COVERS_LAKE", str(made[0] / "lake"))
    runpy.run_path(str(notebook))
    assert "+--" in capsys.readouterr().out
