"""Wrong input ends with one line and the right exit code, and leaves nothing half-written."""

import csv
import importlib
import json

import numpy as np
import pytest
import soundfile

from covers import jobs
from covers.cli import console, parser
from covers.cli.job import guarded
from covers.errors import TrainingFailed
from covers.io.lake import Lake
from covers.jobs import decode_audio, ingest_catalog, ingest_recordings, run_pipeline
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS

HEADER = "track_id,name,artist,danceability,energy,key,mode,valence,tempo\n"


@pytest.fixture
def submit(capsys):
    """Run a job as a program; return exit code and its standard error."""

    def run(module, *argv):
        with pytest.raises(SystemExit) as ended:
            module.JOB.main([str(a) for a in argv])
        return ended.value.code, capsys.readouterr().err.strip()

    return run


def refused(outcome, code, *words):
    """Assert this exit code, and one line with these words."""
    found, stderr = outcome
    assert found == code, stderr
    assert len(stderr.splitlines()) == 1, stderr
    for word in words:
        assert word in stderr


@pytest.fixture
def audio(tmp_path):
    folder = tmp_path / "audio" / "Song"
    folder.mkdir(parents=True)
    t = np.arange(3 * 16_000) / 16_000
    soundfile.write(folder / "good.wav", 0.3 * np.sin(2 * np.pi * 440 * t), 16_000)
    return folder


@pytest.mark.spark
def test_missing_catalogue_and_empty_folder_are_refused_in_one_line(spark, submit, tmp_path):
    lake = tmp_path / "lake"
    refused(
        submit(ingest_catalog, "--lake", lake, "--catalog", tmp_path / "no.csv"), 3,
        "no file there", "no.csv",
    )  # fmt: skip
    (tmp_path / "empty").mkdir()
    refused(
        submit(ingest_catalog, "--lake", lake, "--catalog", tmp_path / "empty"), 3,
        "a folder without .csv",
    )  # fmt: skip
    assert not lake.exists()


@pytest.mark.spark
def test_catalogue_without_a_column_names_it_and_writes_nothing(spark, submit, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(HEADER.replace(",tempo", ""))
    outcome = submit(ingest_catalog, "--lake", tmp_path / "lake", "--catalog", path)
    refused(outcome, 3, "missing: ['tempo']")
    assert not (tmp_path / "lake").exists()


@pytest.mark.spark
def test_too_many_rejected_rows_end_with_four_and_valid_ones_are_kept(spark, submit, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "A,n,a,.5,.5,3,1,.5,120\nB,n,a,.5,.5,33,1,.5,120\n")
    outcome = submit(ingest_catalog, "--lake", tmp_path / "lake", "--catalog", path)
    refused(outcome, 4, "at most 1.0%, got 1 of 2", "quarantine")


@pytest.mark.spark
def test_broken_audio_is_quarantined_with_its_reason_and_the_rest_is_processed(
    spark, submit, tmp_path, audio
):
    (audio / "text.mp3").write_text("This is not music.")
    (audio / "empty.mp3").touch()
    where = ["--lake", tmp_path / "lake", "--max-quarantined", 1]
    ingest = [*where, "--data-set", "x", "--audio-root", audio.parent]
    assert submit(ingest_recordings, *ingest)[0] == 0
    lake = Lake(spark, str(tmp_path / "lake"))
    reasons = {r["location"].split("/")[-1]: r["reason"] for r in lake.read(QUARANTINE).collect()}
    assert sorted(reasons) == ["empty.mp3", "text.mp3"]
    assert reasons["empty.mp3"] == "empty_file"
    assert lake.count(RECORDINGS) == 1
    decode = [*where, "--representation", "chroma", "--json", tmp_path / "summary.json"]
    assert submit(decode_audio, *decode)[0] == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["read"], summary["decoded_now"], summary["quarantined"]) == (1, 1, 0)
    again = lake.version(SPECTROGRAMS), lake.version(QUARANTINE)
    assert (submit(ingest_recordings, *ingest)[0], submit(decode_audio, *decode)[0]) == (0, 0)
    assert (lake.version(SPECTROGRAMS), lake.version(QUARANTINE)) == again
    assert lake.count(SPECTROGRAMS) == 1


@pytest.mark.spark
def test_file_that_breaks_later_is_quarantined_and_no_longer_present(
    spark, submit, tmp_path, audio
):
    ingest = ["--lake", tmp_path / "lake", "--max-quarantined", 1, "--data-set", "x"]
    ingest += ["--audio-root", audio.parent]
    submit(ingest_recordings, *ingest)
    (audio / "good.wav").write_bytes(b"")
    submit(ingest_recordings, *ingest, "--json", tmp_path / "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["recordings"], summary["quarantined"], summary["removed"]) == (0, 1, 1)
    states = [r["state"] for r in Lake(spark, str(tmp_path / "lake")).read(RECORDINGS).collect()]
    assert states == ["removed"]


@pytest.mark.spark
def test_recordings_of_an_evaluation_set_are_all_test_in_any_manifest(
    spark, submit, tmp_path, audio
):
    with (tmp_path / "m.csv").open("w") as file:
        csv.writer(file).writerows([["path", "work_id", "split"], ["good.wav", "w", "train"]])
    submit(
        ingest_recordings, "--lake", tmp_path / "lake", "--data-set", "x", "--manifest",
        tmp_path / "m.csv", "--audio-root", audio, "--split", "test",
    )  # fmt: skip
    assert Lake(spark, str(tmp_path / "lake")).read(RECORDINGS).head()["split"] == "test"


@pytest.mark.spark
@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("compute_features", []), ("cluster_tracks", []), ("score_similarity", ["--track-id", "x"]),
        ("decode_audio", []), ("generate_triplets", []), ("train_siamese", []),
        ("embed_recordings", []), ("estimate_attributes", []), ("train_cluster_classifier", []),
        ("train_similarity_regressor", []), ("assign_clusters", []),
        ("find_covers", ["--audio", "x.mp3"]), ("evaluate_covers", ["--data-set", "x"]),
        ("compare_strategies", ["--data-set", "x"]),
    ],
)  # fmt: skip
def test_job_on_an_empty_lake_names_the_missing_tables_in_one_line(
    spark, submit, tmp_path, name, argv
):
    module = importlib.import_module(f"covers.jobs.{name}")
    refused(submit(module, "--lake", tmp_path / "lake", *argv), 3, "must exist")


@pytest.mark.spark
def test_pipeline_without_data_names_the_flags_it_needs(spark, submit, tmp_path):
    outcome = submit(run_pipeline, "--lake", tmp_path / "lake", "--out", tmp_path / "work")
    refused(outcome, 3, "--demo, or --catalog")


@pytest.mark.spark
def test_dry_run_writes_nothing(spark, submit, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "A,n,a,.5,.5,3,1,.5,120\n")
    argv = ["--lake", tmp_path / "lake", "--catalog", path, "--dry-run"]
    assert submit(ingest_catalog, *argv)[0] == 0
    assert not (tmp_path / "lake").exists()


def test_wrong_arguments_end_with_two(capsys):
    with pytest.raises(SystemExit) as ended:
        ingest_catalog.parse_args(["--lake", "x"])
    assert ended.value.code == 2
    assert "--catalog" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(TrainingFailed("a rank died"), 5), (KeyboardInterrupt(), 130)]
)
def test_failed_training_and_interruption_have_codes_of_their_own(capsys, error, code):
    def fail():
        raise error

    assert guarded(fail) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_internal_error_is_one_line_with_its_trace_in_a_file(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COVERS_LOGS", str(tmp_path))

    def fail():
        raise ZeroDivisionError("one\ntwo")

    assert guarded(fail) == 1
    assert capsys.readouterr().err.startswith("internal error: ZeroDivisionError: one; trace in")
    assert "ZeroDivisionError" in next(tmp_path.glob("*.log")).read_text()


def test_share_and_count_out_of_range_are_refused():
    with pytest.raises(Exception, match="from 0 to 1, got 2"):
        parser.share("2")
    with pytest.raises(Exception, match="at least 1, got 0"):
        parser.positive("0")


def test_renamed_flag_ends_with_two_and_one_line_that_names_the_new_flag(capsys):
    found = parser.job_parser("job: x")
    parser.renamed_flags(found, {"--picture": "--plot"})
    with pytest.raises(SystemExit) as ended:
        found.parse_args(["--picture", "a.png", "b.png"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "job: --picture is now --plot\n"
    assert "--picture" not in found.format_help()
    assert not hasattr(found.parse_args(["--lake", "x"]), "picture")


def test_message_of_a_value_error_reaches_the_user(capsys):
    def parse(text):
        raise ValueError(f"k must be a number, got {text!r}")

    found = parser.job_parser("job: x")
    found.add_argument("--k", type=parser.checked(parse))
    with pytest.raises(SystemExit):
        found.parse_args(["--lake", "x", "--k", "two"])
    assert "k must be a number, got 'two'" in capsys.readouterr().err


def test_renamed_job_is_answered_with_its_new_name():
    with pytest.raises(ValueError, match="join_networks is now build_ensemble"):
        jobs.load("join_networks")
    with pytest.raises(ValueError, match="module in jobs/, got 'no_such_job'"):
        jobs.load("no_such_job")
    assert jobs.load("ingest_catalog") is ingest_catalog.JOB


def test_summary_on_the_terminal_has_spaces_for_the_underscores_of_its_keys(capsys):
    console.show("job", {"decoded_now": 1234, "rows": [{"data_set": "x"}], "nested": {"a": 1}})
    printed = capsys.readouterr().out
    assert "decoded now" in printed
    assert "1,234" in printed
    assert "data set" in printed
    assert "nested" not in printed
