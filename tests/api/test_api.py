"""The public interface and the console script, on audio of the project's synthesiser."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile as sf
from deltalake import write_deltalake

import covers
from covers.cli.main import main
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import keep_nuisances, sample_spec

# Works and versions: two covers of two works each, and a song that is alone.
FILES = {
    "a1.wav": (0, 1), "a2.flac": (0, 2), "b1.flac": (1, 1), "b2.wav": (1, 2), "c1.wav": (2, 1)
}  # fmt: skip
COLUMNS = [
    "rank", "recording_id", "title", "artist", "work_id", "probability", "distance", "s_norm", "alignment",
    "random_pairs_nearer", "transposition", "tempo_ratio", "query_start_s", "query_end_s", "start_s", "end_s",
]  # fmt: skip


def spec_of(song, version):
    """A version's spec: the second is four semitones higher, faster and on other instruments."""
    spec = keep_nuisances(sample_spec(song, version), "timbre")
    return replace(
        spec, form=(0, 1, 2), transpose=4 * (version - 1), tempo_ratio=(1.0, 1.1)[version - 1]
    )


@pytest.fixture(scope="session")
def audio(tmp_path_factory):
    """A folder of short songs as WAV and FLAC, in a folder each, and one file that is no audio."""
    folder = tmp_path_factory.mktemp("audio")
    for name, (number, version) in FILES.items():
        song = compose(number, 7)
        spec = spec_of(song, version)
        path = folder / name[0] / name
        path.parent.mkdir(exist_ok=True)
        sf.write(path, render(arrange(song, spec), spec), 16_000)
    (folder / "broken.wav").write_bytes(b"RIFF, but nothing behind it")
    return folder


@pytest.fixture(scope="session")
def model():
    return covers.load_model()


@pytest.fixture(scope="session")
def references(audio, model):
    done = []
    found = covers.ReferenceSet.read(audio, model, on_file=done.append)
    assert sorted(done) == sorted([*(f"{n[0]}/{n}" for n in FILES), "broken.wav"])
    return found


@pytest.fixture(scope="session")
def manifest(audio):
    path = audio / "manifest.csv"
    with open(path, "w", newline="") as file:
        rows = csv.DictWriter(file, ["path", "work_id"])
        rows.writeheader()
        rows.writerows({"path": f"{n[0]}/{n}", "work_id": n[0]} for n in FILES)
        rows.writerow({"path": "broken.wav", "work_id": "a"})
    return str(path)


def path_of(audio, name):
    return str(audio / name[0] / name)


def test_importing_the_package_loads_neither_torch_nor_spark():
    code = "import sys, covers; print(' '.join(sys.modules)); print(dir(covers))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, names = done.stdout.splitlines()
    assert not {"torch", "pyspark", "numba", "pandas", "numpy"} & set(loaded.split())
    assert "ReferenceSet" in names


def test_the_public_names_are_there_and_no_others():
    for name in covers.__all__:
        assert getattr(covers, name) is not None
    with pytest.raises(AttributeError, match="module 'covers' has no attribute 'serch'"):
        covers.serch  # noqa: B018


def test_using_the_interface_loads_no_spark(audio):
    code = (
        "import sys, covers; covers.chroma(sys.argv[1]); covers.load_model(); covers.compare; "
        "covers.ReferenceSet; covers.evaluate; assert 'pyspark' not in sys.modules"
    )
    argv = [sys.executable, "-c", code, path_of(audio, "c1.wav")]
    subprocess.run(argv, check=True, capture_output=True)


def test_models_are_loaded_by_name(model):
    assert isinstance(model, covers.EmbeddingModel)
    assert model.card.calibration
    assert covers.load_model("untrained").weights is None
    with pytest.raises(covers.InputError, match=r"must be shipped, untrained or a \.safetensors"):
        covers.load_model("latest")
    with pytest.raises(covers.InputError, match=r"got no file there: 'x\.safetensors'"):
        covers.load_model("x.safetensors")


def test_chroma_is_36_rows_of_unit_frames(audio):
    x = covers.chroma(path_of(audio, "a1.wav"))
    info = sf.info(path_of(audio, "a1.wav"))
    assert x.dtype == np.float32
    assert x.shape[0] == 36
    assert x.shape[1] == pytest.approx(4 * info.duration, abs=3)
    norms = np.linalg.norm(x, axis=0)
    np.testing.assert_allclose(norms[norms > 0], 1, atol=1e-3)


def test_a_file_is_embedded_by_track_segments_and_frames(audio, model, references):
    found = covers.embed(path_of(audio, "a1.wav"), model)
    assert isinstance(found, covers.TrackEmbeddings)
    assert len(found.track) == len(model.card.tempo_factors)
    assert found.segments
    assert found.frames is not None
    np.testing.assert_allclose(np.linalg.norm(found.track, axis=1), 1, atol=1e-5)
    (row,) = np.flatnonzero(references.ids == "a/a1.wav")
    np.testing.assert_allclose(references.tracks[row], found.track[0], atol=1e-6)


def test_a_version_scores_above_an_unrelated_song(audio, model):
    cover, other = (
        covers.compare(path_of(audio, "a1.wav"), path_of(audio, b), model)
        for b in ("a2.flac", "c1.wav")
    )
    assert isinstance(cover, covers.Comparison)
    assert cover.probability > other.probability
    assert cover.distance < other.distance
    assert cover.alignment > other.alignment
    for span, name in ((cover.span_a, "a1.wav"), (cover.span_b, "a2.flac")):
        duration = sf.info(path_of(audio, name)).duration
        assert 0 <= span[0] < span[1] <= duration + 0.5
    assert cover.transposition == 4
    assert cover.tempo_ratio == pytest.approx(1.1, abs=0.12)


def test_a_folder_is_its_audio_files_and_names_those_that_cannot_be_decoded(references):
    assert isinstance(references, covers.ReferenceSet)
    assert references.ids.tolist() == [f"{n[0]}/{n}" for n in FILES]
    assert list(references.rejected) == ["broken.wav"]
    assert "broken.wav" in references.rejected["broken.wav"]
    assert references.metadata["a/a1.wav"].title == "a1"


def test_a_search_returns_a_table_whose_first_row_is_the_cover(audio, references):
    found = references.search(path_of(audio, "b1.flac"), k=4)
    assert sorted(found.columns) == sorted(COLUMNS)
    assert found["rank"].tolist() == [1, 2, 3, 4]
    assert found["recording_id"].tolist()[:2] == ["b/b1.flac", "b/b2.wav"]
    assert found["probability"].is_monotonic_decreasing
    assert (found["end_s"] > found["start_s"]).all()
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        references.search(path_of(audio, "b1.flac"), k=0)


def test_references_of_too_few_recordings_change_no_comparison(audio, model, references):
    pair = path_of(audio, "a1.wav"), path_of(audio, "a2.flac")
    assert covers.compare(*pair, references=references) == covers.compare(*pair, model)


def test_a_lake_is_searched_as_a_folder_is(audio, model, references, tmp_path):
    about = {"artist": None, "work_id": "w", "split": "test", "state": "present"}
    ids = references.ids.tolist()
    recordings = [{"recording_id": i, "title": i.upper()} | about for i in ids]
    vectors = [
        {"recording_id": i, "model_id": model.model_id, "segment": 0, "vector": v.tolist()}
        for i, v in zip(ids, references.tracks, strict=True)
    ]
    write_deltalake(str(tmp_path / "recordings"), pa.Table.from_pylist(recordings))
    write_deltalake(str(tmp_path / "embeddings"), pa.Table.from_pylist(vectors))
    lake = covers.ReferenceSet.read(tmp_path, model)
    assert sorted(lake.ids) == sorted(ids)
    found = lake.search(path_of(audio, "b1.flac"), k=2)
    assert found["recording_id"].tolist() == ["b/b1.flac", "b/b2.wav"]
    assert found["title"].tolist() == ["B/B1.FLAC", "B/B2.WAV"]


def test_a_manifest_is_evaluated_by_search_and_by_baselines(manifest, model):
    found = covers.evaluate(manifest, model=model)
    assert set(found["system"]) == {
        "chance", "search", "exhaustive", "exhaustive_raw", "track", "alignment", "untrained",
        "raw_features", "fourier2d", "qmax", "qmax_s_norm", "exhaustive_qmax",
    }  # fmt: skip
    assert found["map"].is_monotonic_decreasing
    assert list(found.columns) == [
        "system", "map", "p_at_1", "mr1", "hit_at_10", "triplet_accuracy", "map_low", "map_high",
    ]  # fmt: skip
    by_system = found.set_index("system")["map"]
    assert by_system["search"] > by_system["chance"]
    assert list(found.attrs["coverage"]) == [10, 50, 100, 500]
    assert "broken.wav" in str(found.attrs["rejected"])
    assert len(found.attrs["rejected"]) == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: covers.embed(x / "no.wav"), r"audio must be a file, got none there: .*no\.wav"),
        (lambda x: covers.chroma(x / "no.wav"), "audio must be a file, got none there"),
        (lambda x: covers.compare(x / "no.wav", x / "no.wav"), "audio must be a file, got none"),
        (lambda x: covers.embed(x / "broken.wav"), r"audio must be WAV, FLAC, .*broken\.wav"),
        (lambda x: covers.ReferenceSet.read(x / "nowhere"), "must be a lake with table embeddings"),
        (lambda x: covers.ReferenceSet.read(x / "empty"), "a lake or a folder of audio files"),
        (lambda x: covers.ReferenceSet.read(x / "bad"), "that can be decoded, got none"),
        (lambda x: covers.evaluate(str(x / "no.csv")), r"no\.csv"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, call, words):
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.wav").write_bytes(b"no audio")
    with pytest.raises(covers.InputError, match=words) as refused:
        call(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_manifest_of_works_without_covers_is_refused(audio, model, tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("path,work_id\na/a1.wav,a\nc/c1.wav,c\n")
    with pytest.raises(covers.InputError, match="must have two works, one with two recordings"):
        covers.evaluate(str(path), str(audio), model)


def run(capsys, *argv):
    code = main([str(x) for x in argv])
    return code, *capsys.readouterr()


def keys_of(value):
    """Every key of nested dicts and lists."""
    if isinstance(value, dict):
        return set(value) | set().union(*map(keys_of, value.values()))
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    return set()


def assert_identifiers(value):
    assert all(re.fullmatch("[a-z0-9_]+", k) for k in keys_of(value)), keys_of(value)


def test_the_console_script_compares(audio, capsys):
    pair = path_of(audio, "a1.wav"), path_of(audio, "a2.flac")
    code, out, _ = run(capsys, "compare", *pair, "--json")
    found = json.loads(out)
    assert code == 0
    assert_identifiers(found)
    assert (found["a"], found["b"]) == pair
    assert found["probability"] == covers.compare(*pair).probability
    code, out, _ = run(capsys, "compare", *pair)
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()] == [
        "probability", "distance", "transposition", "tempo ratio", "match in A", "match in B",
    ]  # fmt: skip


def test_the_console_script_searches_a_folder_and_names_what_it_left_out(audio, capsys):
    asked = ("search", path_of(audio, "b1.flac"), "--references", audio, "--top", 2)
    code, out, err = run(capsys, *asked, "--json")
    (found,) = json.loads(out)
    assert code == 0
    assert_identifiers(found)
    assert [m["recording_id"] for m in found["matches"]] == ["b/b1.flac", "b/b2.wav"]
    assert "left out: broken.wav: " in err
    code, out, _ = run(capsys, *asked)
    assert code == 0
    head, first, second = out.splitlines()
    assert "among 5 recordings" in head
    assert re.search(r"1 +\d+\.\d% +b1 +at \d:\d\d to \d:\d\d", first)
    assert "b2" in second


def test_the_console_script_writes_embeddings(audio, model, tmp_path, capsys):
    out_path = tmp_path / "e.safetensors"
    code, out, _ = run(capsys, "embed", path_of(audio, "c1.wav"), "-o", out_path, "--json")
    assert code == 0
    assert_identifiers(json.loads(out))
    back = covers.TrackEmbeddings.from_bytes(out_path.read_bytes())
    assert list(back.track.shape) == json.loads(out)["track"]
    code, out, _ = run(capsys, "embed", path_of(audio, "c1.wav"), "-o", out_path)
    assert code == 0
    assert out.startswith("track ")


def test_the_console_script_evaluates(manifest, capsys):
    code, out, err = run(capsys, "evaluate", "--manifest", manifest, "--no-baselines", "--json")
    found = json.loads(out)
    assert code == 0
    assert_identifiers(found["systems"])
    assert {"systems", "coverage", "rejected"} == set(found)
    assert {"search", "chance"} <= {row["system"] for row in found["systems"]}
    assert "qmax" not in {row["system"] for row in found["systems"]}
    assert "left out: " in err
    code, out, _ = run(capsys, "evaluate", "--manifest", manifest, "--no-baselines")
    assert code == 0
    assert "coverage of the first stage: " in out


@pytest.mark.parametrize(
    "argv",
    [[], ["serch"], ["compare", "a.wav"], ["search", "a.wav"], ["compare", "a", "b", "--jsn"]],
)
def test_arguments_that_cannot_be_parsed_end_with_2(argv, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert "usage: covers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["compare", "no.wav", "no.wav"],
        ["compare", "no.wav", "no.wav", "--model", "no.safetensors"],
        ["search", "no.wav", "--references", "nowhere"],
        ["evaluate", "--manifest", "no.csv"],
    ],
)
def test_input_that_cannot_be_used_ends_with_3_and_one_line(argv, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *argv)
    assert (code, out) == (3, "")
    assert len(err.splitlines()) == 1
    assert "must be" in err


def test_version_and_help_end_with_0(capsys):
    for argv, words in ((["--version"], f"covers {covers.__version__}"), (["--help"], "compare")):
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == 0
        assert words in capsys.readouterr().out


def test_a_table_of_matches_can_be_written_and_read(audio, references, tmp_path):
    found = references.search(path_of(audio, "a1.wav"), k=2)
    found.to_csv(tmp_path / "m.csv", index=False)
    assert pd.read_csv(tmp_path / "m.csv")["recording_id"].tolist() == ["a/a1.wav", "a/a2.flac"]
