"""Every row of a catalogue is a track or in quarantine, with its reason."""

import csv
import gzip
import random

import pytest

from covers.catalog import tracks_table
from covers.errors import InputError
from covers.io.spark import checkpoint_to_disk

HEADER = ["track_id", "name", "artist", *tracks_table.ATTRIBUTES]
VALID = ["T1", 'Say "Hi", Again', "Beyoncé", "0.5", "0.6", "7", "1", "0.3", "120.5"]


def write(path, rows, header=HEADER, opener=open):
    with opener(path, "wt", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def split(spark, *paths):
    rows = checkpoint_to_disk(
        tracks_table.validate(tracks_table.read_csv(spark, tracks_table.csv_files(paths)))
    )
    valid, rejected = tracks_table.split_valid_and_rejected(rows)
    return {r["track_id"]: r for r in valid.collect()}, [r["reason"] for r in rejected.collect()]


def changed(**values):
    return [values.get(name, old) for name, old in zip(HEADER, VALID, strict=True)]


@pytest.mark.spark
def test_quoted_commas_doubled_quotes_and_accents_are_kept(spark, tmp_path):
    valid, rejected = split(spark, write(tmp_path / "a.csv", [VALID]))
    assert (valid["T1"]["name"], valid["T1"]["artist"], rejected) == (
        'Say "Hi", Again',
        "Beyoncé",
        [],
    )


@pytest.mark.spark
def test_each_defect_is_rejected_for_its_own_reason(spark, tmp_path):
    rows = [
        changed(track_id="k", key="12"), changed(track_id="d", danceability="1.5"),
        changed(track_id="m", mode="2"), changed(track_id="t", tempo="fast"),
        changed(track_id="n", name=" "), changed(track_id=""), changed(track_id="v", valence="NaN"),
        changed(track_id="short")[:5], [*changed(track_id="long"), "more"],
        changed(track_id="twice"), changed(track_id="twice", name="Other"),
        changed(track_id="undetected", tempo="0", key="-1"), changed(track_id="b", artist="\udce9"),
    ]  # fmt: skip
    more = [[*changed(track_id="y"), "soon", "-5"], [*changed(track_id="l"), "1999", "-500"],
            [*changed(track_id="sparse"), "", "-5"]]  # fmt: skip
    optional = write(tmp_path / "b.csv", more, [*HEADER, "year", "loudness"])
    valid, rejected = split(spark, write(tmp_path / "a.csv", rows), optional)
    assert sorted(valid) == ["sparse", "twice", "undetected"]
    assert sorted(rejected) == sorted(
        ["key_out_of_range", "danceability_out_of_range", "mode_out_of_range",
         "tempo_not_a_number", "name_missing", "track_id_missing", "valence_not_a_number",
         "wrong_number_of_fields", "wrong_number_of_fields", "duplicate_id", "not_utf8",
         "year_not_a_number", "loudness_out_of_range"]
    )  # fmt: skip
    assert valid["twice"]["name"] == VALID[1]
    assert (valid["sparse"]["year"], valid["sparse"]["loudness"]) == (None, -5.0)


@pytest.mark.spark
def test_ten_thousand_mutated_lines_are_all_accounted_for(spark, tmp_path):
    rng = random.Random(7)
    junk = ["", "x", "-5", "1e9", "NaN", '"', ",", "\t", "null", "é", "0.5", "3"]
    lines = []
    for i in range(10_000):
        row = changed(track_id=f"T{i % 9000}")
        for _ in range(rng.randrange(3)):
            row[rng.randrange(len(row))] = rng.choice(junk)
        lines.append(row[: rng.choice([9, 9, 9, 9, 5])] + ["extra"] * (rng.random() < 0.05))
    path = write(tmp_path / "a.csv", lines)
    header, *lines_of_file = (tmp_path / "a.csv").read_bytes().splitlines()
    for i in range(
        0, len(lines_of_file), 3
    ):  # every third line is broken below the level of fields too
        line = bytearray(lines_of_file[i])
        for _ in range(3):
            line[rng.randrange(len(line))] = rng.choice(b'",\\\t\x00\xff\xc3 ;')
        lines_of_file[i] = bytes(line)
    (tmp_path / "a.csv").write_bytes(b"\n".join([header, *lines_of_file]))
    valid, rejected = split(spark, path)
    assert len(valid) + len(rejected) == sum(bool(line.strip()) for line in lines_of_file)
    assert 1_000 < len(valid) < 9_000


@pytest.mark.spark
def test_other_column_order_extra_columns_and_gz_read_the_same(spark, tmp_path):
    plain = write(tmp_path / "a.csv", [VALID])
    turned = write(
        tmp_path / "b.csv.gz", [[*VALID[::-1], "x"]], [*HEADER[::-1], "extra"], opener=gzip.open
    )
    (one, _), (other, _) = split(spark, plain), split(spark, turned)
    assert one["T1"] == other["T1"]
    assert tracks_table.ignored_columns(tracks_table.csv_files([plain, turned])) == ["extra"]


def test_folder_without_csv_and_missing_path_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a folder without \.csv"):
        tracks_table.csv_files([str(tmp_path)])
    with pytest.raises(InputError, match="no file there"):
        tracks_table.csv_files([str(tmp_path / "none.csv")])
    with pytest.raises(InputError, match="scheme that Arrow can open, got 'gopher:x'"):
        tracks_table.csv_files(["gopher:x"])


def test_folder_gives_its_csv_files_in_order_as_uris(tmp_path):
    for name in ("b.csv", "a.csv.gz", "notes.txt"):
        (tmp_path / name).touch()
    wanted = [f"file:{tmp_path}/{name}" for name in ("a.csv.gz", "b.csv")]
    assert (
        tracks_table.csv_files([str(tmp_path)])
        == tracks_table.csv_files([f"file:{tmp_path}"])
        == wanted
    )


def test_missing_column_is_refused_by_name(tmp_path):
    path = write(tmp_path / "a.csv", [VALID[:-1]], HEADER[:-1])
    with pytest.raises(InputError, match=r"missing: \['tempo'\]"):
        tracks_table.header_of(path)


def test_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="CSV file in UTF-8"):
        tracks_table.header_of(str(path))


def test_repeated_column_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", [], [*HEADER, "name"])
    with pytest.raises(InputError, match="different names"):
        tracks_table.header_of(path)
