"""What steps a pipeline has, without running one."""

import pytest

from covers.cli.pipeline import DataSet, PipelineConfig, Step, steps
from covers.errors import InputError
from covers.jobs import run_pipeline


def test_demo_makes_its_data_first_and_searches_with_a_song_of_it(tmp_path):
    planned = steps(PipelineConfig(str(tmp_path), demo=True, demo_works=7))
    assert planned[0] == Step("make_demo_data", ("--out", f"{tmp_path}/data", "--works", "7"))
    jobs = [s.job for s in planned]
    assert jobs[-3:] == ["embed_recordings", "maintain_tables", "find_covers"]
    assert planned[-1].argv == ("--model", "shipped", "--audio", f"{tmp_path}/data/query.wav")
    assert [s.argv[-1] for s in planned if s.job == "embed_recordings" and s.argv] == ["shipped"]


def test_recordings_to_evaluate_on_are_all_test_and_each_has_a_report(tmp_path):
    held_out = (DataSet("a", "a.csv"), DataSet("b", "b.csv", "audio"))
    config = PipelineConfig(str(tmp_path), catalog=("c.csv",), songs="midi", evaluate=held_out)
    planned = steps(config)
    ingested = [s.argv for s in planned if s.job == "ingest_recordings"]
    assert ingested == [
        ("--data-set", "a", "--manifest", "a.csv", "--split", "test"),
        ("--data-set", "b", "--manifest", "b.csv", "--audio-root", "audio", "--split", "test"),
    ]
    evaluated = [s.argv for s in planned if s.job == "evaluate_covers"]
    assert [argv[-1] for argv in evaluated] == [f"{tmp_path}/report-{n}.html" for n in "ab"]
    assert not [s for s in planned if s.job == "find_covers"]


@pytest.mark.parametrize("given", [{"catalog": ("c.csv",)}, {"songs": "midi"}, {}])
def test_pipeline_without_data_is_refused(given):
    with pytest.raises(InputError, match="--demo, or --catalog and one of --songs, --train-on"):
        PipelineConfig("work", **given)


def test_every_step_of_a_pipeline_is_a_job_that_takes_its_arguments(tmp_path):
    args = run_pipeline.parse_args([
        "--lake", "l", "--out", str(tmp_path), "--catalog", "c.csv", "--songs", "midi", "--train-on",
        "x=m.csv,audio", "--evaluate", "y=n.csv", "--crop-seconds", "20", "--max-phrases", "8",
    ])  # fmt: skip
    for step in steps(run_pipeline.config_of(args)):
        job = run_pipeline.jobs.load(step.job)
        assert job.parse_args(["--lake", "l", *step.argv]).lake == "l"
