"""The small demo from data to report: every job, twice; then what its users do with the tables."""

import json
import os
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable, QueryBuilder

from covers.cli.job import DONE
from covers.evaluation import dataset_table, systems
from covers.evaluation.report import NAMES
from covers.evaluation.run import evaluate_set
from covers.io.lake import Lake
from covers.jobs import run_pipeline
from covers.models import registry
from covers.retrieval import pairs
from covers.retrieval.embedding import extract_embeddings
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.registry import TABLES
from covers.schemas.runs import RUNS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.triplets import TRIPLETS

ROOT = Path(__file__).resolve().parent.parent.parent
JOBS = {p.stem for p in (ROOT / "jobs").glob("[a-z]*.py")} - {"run_pipeline", "build_ensemble"}
pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def made(spark, tmp_path_factory):
    """Folder of a whole small run, and its summary."""
    folder = tmp_path_factory.mktemp("pipeline")
    return folder, run(spark, folder)


def run(spark, folder):
    args = run_pipeline.parse_args([
        "--lake", str(folder / "lake"), "--out", str(folder), "--demo", "--demo-works", "24",
        "--epochs", "16", "--compare-epochs", "1", "--classifier-epochs", "1", "--per-anchor", "2",
        "--crop-seconds", "15", "--json", str(folder / "summary.json"),
    ])  # fmt: skip
    assert run_pipeline.JOB.execute(spark, args) == DONE
    return json.loads((folder / "summary.json").read_text())


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
    # Only six works: tests/training/test_finding_unseen_works.py measures by how much.
    assert found["search"] > found["untrained"]
    assert found["search"] > 1.5 * found["chance"]


def test_shipped_model_is_evaluated_by_track_segments_and_alignment(spark, made):
    model = registry.resolve(None, "shipped").with_card(
        tempo_factors=(1.0, 1.25), segment_s=(8.0, 4.0)
    )
    data = dataset_table.from_lake(lake_of(spark, made), "demo", {"model": model})
    embeddings = data.embeddings["model"]
    assert len(embeddings) == len(data.chromas)
    for chroma, found in zip(data.chromas, embeddings, strict=True):
        here = extract_embeddings(model, chroma, 4.0)
        np.testing.assert_allclose(found.track, here.track, atol=1e-5)
        assert [len(x) for x in found.segments] == [len(x) for x in here.segments]
        np.testing.assert_allclose(found.frames, here.frames, atol=1e-3)
    distances, _ = systems.compare_systems(data, baselines=False)
    tracks = np.stack([e.track for e in embeddings])
    assert tracks.shape[:2] == (len(data.chromas), 2)
    np.testing.assert_array_equal(distances["track"], pairs.track_s_norm(tracks, 12))
    plain = pairs.track_distances(tracks, 12)
    assert np.abs(distances["exhaustive_raw"] - plain).max() > 0.01
    normalized = pairs.s_normalize(distances["exhaustive_raw"])
    assert np.abs(distances["exhaustive"] - normalized).max() > 0.1


def test_a_set_too_large_to_align_is_evaluated_without_alignment(spark, made, monkeypatch):
    model = registry.resolve(None, "shipped")
    summaries = {}
    for limit in (pairs.MAX_RECORDINGS, 3):
        monkeypatch.setattr(pairs, "MAX_RECORDINGS", limit)
        lake = lake_of(spark, made)
        data = dataset_table.from_lake(lake, "demo", {"model": model})
        summaries[limit] = evaluate_set(lake, data, baselines=False, seed=1).summary
    assert summaries.pop(1000)["aligned"] is True
    (summary,) = summaries.values()
    assert summary["aligned"] == "no: more than 3 recordings"
    scores = summary["systems"]
    assert "alignment" not in scores
    assert scores["search"]["map"]["value"] > scores["chance"]["map"]["value"]


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
