"""Symbolic versions: rows without audio, trained on like any, their attributes read from the spec."""

import json

import pytest

from covers.cli.job import DONE
from covers.io.lake import Lake
from covers.jobs import (
    cluster_tracks,
    compute_features,
    decode_audio,
    estimate_attributes,
    generate_triplets,
    ingest_catalog,
    synthesize_versions,
)
from covers.schemas.recordings import NOTES, RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.tracks import TRACKS
from covers.schemas.triplets import TRIPLETS
from covers.synthesis import corpus, tables, version_files
from covers.synthesis.composer import compose
from covers.synthesis.pop909 import write_pop909

pytestmark = [pytest.mark.spark]
CATALOG = "track_id,name,artist,danceability,energy,key,mode,valence,tempo\n"


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    for number in range(4):
        write_pop909(compose(number, 0), folder / f"{number:03d}")
    (folder / "003" / "003.mid").write_bytes(b"MThd, but not MIDI")
    write_pop909(compose(1, 0), folder / "004")  # song 001 again, as a MIDI file alone
    for name in ("chord_midi.txt", "beat_midi.txt"):
        (folder / "004" / name).unlink()
    return folder


@pytest.fixture(scope="module")
def run(spark, tmp_path_factory):
    where = str(tmp_path_factory.mktemp("direct") / "lake")

    def go(job, *argv):
        assert job.JOB.execute(spark, job.parse_args(["--lake", where, *map(str, argv)])) == DONE
        return Lake(spark, where)

    return go


@pytest.fixture(scope="module")
def write(run, songs):
    """Write this many versions of each song."""
    argv = ("--songs", songs, "--form", "symbolic", "--max-phrases", 2, "--versions")
    return lambda n: run(synthesize_versions, *argv, n)


def test_versions_are_written_once_and_a_broken_song_is_listed(write, capsys):
    lake = write(3)
    assert "003" in capsys.readouterr().out
    rows = lake.read(RECORDINGS).collect()
    assert {r["work_id"] for r in rows} == {"pop909-000", "pop909-001", "pop909-002", "004-004"}
    assert len(rows) == 12
    both = lake.read(SPECTROGRAMS).join(lake.read(RECORDINGS), ["recording_id", "sha256"])
    assert both.count() == 12
    before = lake.version(RECORDINGS), lake.version(SPECTROGRAMS)
    write(3)
    assert (lake.version(RECORDINGS), lake.version(SPECTROGRAMS)) == before


def test_cluster_triplets_need_no_catalogue(run, write):
    write(3)
    run(estimate_attributes)
    run(cluster_tracks, "--source", "estimated", "--k", 2)
    lake = run(generate_triplets, "--strategy", "cluster", "--per-anchor", 1)
    assert not lake.exists(TRACKS)
    clusters = {r["track_id"]: r["cluster"] for r in lake.read(TRACK_CLUSTERS).collect()}
    assert len(clusters) == 12
    rows = lake.read(TRIPLETS).collect()
    assert rows
    for r in rows:
        anchor, positive, negative = (
            clusters[f"rec:{r[n]}"] for n in ("anchor", "positive", "negative")
        )
        assert anchor == positive != negative


def test_nothing_is_decoded_and_attributes_equal_those_of_the_spec(run, write, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text(CATALOG + "".join(f"T{i},n{i},a,.{i},.5,{i},1,.5,12{i}\n" for i in range(1, 9)))
    run(ingest_catalog, "--catalog", path)
    run(compute_features)
    write(3)
    lake = run(decode_audio)
    assert lake.count(SPECTROGRAMS) == 12
    run(estimate_attributes)
    found = {
        r["track_id"]: r["x_vector"]
        for r in lake.read(TRACK_FEATURES)
        .where("source = 'estimated' AND encoding = 'raw'")
        .collect()
    }
    for row in lake.read(RECORDINGS).collect():
        truth = json.loads(row["spec"])["truth"]
        x = found[f"rec:{row['recording_id']}"]
        assert x == pytest.approx(
            [truth[n] for n in ("danceability", "energy", "key", "mode", "valence", "tempo")]
        )


def test_versions_that_are_not_made_any_more_are_marked_removed(write):
    lake = write(2)
    states = [r["state"] for r in lake.read(RECORDINGS).collect()]
    assert (states.count("present"), states.count("removed")) == (8, 4)


def test_recombined_songs_are_in_split_train_and_leave_the_versions_of_the_songs(run, write, songs):
    own = {
        r["recording_id"] for r in write(2).read(RECORDINGS).where("state = 'present'").collect()
    }
    argv = ("--songs", songs, "--form", "symbolic", "--max-phrases", 2, "--versions", 2)
    lake = run(synthesize_versions, *argv, "--recombined", 3)
    present = lake.read(RECORDINGS).where("state = 'present'").collect()
    rows = [r for r in present if r["data_set"] == "recombined"]
    assert len({r["work_id"] for r in rows}) == 3
    assert len(rows) == 6
    assert {r["split"] for r in rows} == {"train"}
    assert own == {r["recording_id"] for r in present if r["data_set"] != "recombined"}


def test_recombined_songs_for_evaluation_are_rejected(songs, capsys):
    argv = ["--lake", "x", "--songs", str(songs), "--form", "symbolic", "--recombined", "3"]
    with pytest.raises(SystemExit):
        synthesize_versions.parse_args([*argv, "--split", "test"])
    assert "--recombined is for training, got --split test" in capsys.readouterr().err


def test_duplicate_songs_are_in_one_split(spark, songs):
    load = corpus.song_loader(str(songs))
    names = corpus.find_songs(str(songs), None)
    first = tables.group_duplicates(spark, load, names)
    assert first[str(songs / "004" / "004.mid")] == str(songs / "001")
    assert first[str(songs / "000")] == str(songs / "000")


def test_audio_without_a_folder_is_rejected(songs, capsys):
    with pytest.raises(SystemExit):
        synthesize_versions.parse_args(["--lake", "x", "--songs", str(songs)])
    assert "--out is required" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--mixed", "3"), "--mixed is now --recombined"),
        (("--form", "direct"), "--form direct is now --form symbolic"),
    ],
)
def test_earlier_flags_are_answered_with_the_new_ones(songs, capsys, flags, message):
    with pytest.raises(SystemExit) as exit_:
        synthesize_versions.parse_args(["--lake", "x", "--songs", str(songs), *flags])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_codec_of_symbolic_versions_is_that_of_the_schema():
    assert version_files.SYMBOLIC == NOTES
