from concurrent.futures import ThreadPoolExecutor

import pytest
from pyspark.sql import functions as F

from covers.errors import InputError, SchemaMismatch
from covers.io.lake import Lake
from covers.schemas.quarantine import QUARANTINE

pytestmark = pytest.mark.spark


def rows(*ids, reason="bad"):
    return [(i, "track", "file.csv:1", reason, "detail", None, "test") for i in ids]


def test_run_twice_writes_each_row_once_and_no_new_files(lake):
    lake.upsert_rows(rows("a", "b"), QUARANTINE)
    first = lake.snapshot(QUARANTINE)
    lake.upsert_rows(rows("b", "a"), QUARANTINE)
    again = lake.snapshot(QUARANTINE)
    assert (again.n_rows, again.paths) == (2, first.paths)


def test_changed_row_is_updated_and_others_are_kept(lake):
    lake.upsert_rows(rows("a", "b"), QUARANTINE)
    lake.upsert_rows(rows("a", reason="worse"), QUARANTINE)
    found = {r.quarantine_id: r.reason for r in lake.read(QUARANTINE).collect()}
    assert found == {"a": "worse", "b": "bad"}


def test_a_whole_set_is_replaced_and_left_alone_where_it_is_there(lake):
    lake.upsert_rows(rows("a", "b") + rows("c", reason="other"), QUARANTINE)
    frame = lambda r: lake.spark.createDataFrame(r, QUARANTINE.struct_type())  # noqa: E731
    assert lake.replace(frame(rows("d", "b")), QUARANTINE, "reason = 'bad'") == 2
    found = {r.quarantine_id: r.reason for r in lake.read(QUARANTINE).collect()}
    assert found == {"d": "bad", "b": "bad", "c": "other"}
    version = lake.version(QUARANTINE)
    assert lake.replace(frame(rows("b", "d")), QUARANTINE, "reason = 'bad'") == 2
    assert lake.version(QUARANTINE) == version


def test_read_is_pinned_to_the_version_it_was_asked_for(lake):
    lake.upsert_rows(rows("a"), QUARANTINE)
    version = lake.version(QUARANTINE)
    pinned = lake.read(QUARANTINE)
    lake.upsert_rows(rows("b"), QUARANTINE)
    assert pinned.count() == 1
    assert lake.read(QUARANTINE, version).count() == 1
    assert lake.inputs["quarantine"] == version


def test_snapshot_lists_only_live_files_of_its_version(lake):
    lake.upsert_rows(rows("a"), QUARANTINE)
    before = lake.snapshot(QUARANTINE)
    lake.upsert_rows(rows("a", reason="worse"), QUARANTINE)
    after = lake.snapshot(QUARANTINE)
    assert set(before.paths).isdisjoint(after.paths)
    assert lake.snapshot(QUARANTINE, before.version).paths == before.paths


def test_deletion_vectors_are_refused_by_snapshot(lake):
    lake.upsert_rows(rows("a"), QUARANTINE)
    lake.spark.sql(
        f"ALTER TABLE {lake.identifier(QUARANTINE)} "
        "SET TBLPROPERTIES ('delta.enableDeletionVectors' = true)"
    )
    with pytest.raises(InputError, match="deletion vectors off"):
        lake.snapshot(QUARANTINE)


def test_missing_table_names_the_way_out(lake):
    with pytest.raises(InputError, match=r"table quarantine must exist.*run the job"):
        lake.read(QUARANTINE)


def test_upsert_names_the_column_of_wrong_type(lake):
    frame = lake.spark.createDataFrame(rows("a"), QUARANTINE.struct_type())
    wrong = frame.withColumn("reason", F.lit(1))
    with pytest.raises(SchemaMismatch, match="'reason': 'int, not string'"):
        lake.upsert(wrong, QUARANTINE)


@pytest.mark.parametrize("held", [(), ("a",), ("b",)])
def test_two_rows_of_one_key_are_refused_and_nothing_is_written(lake, held):
    lake.upsert_rows(rows(*held), QUARANTINE)
    with pytest.raises(SchemaMismatch, match=r"must differ in .*'quarantine_id'.*got 2 of .*'a'"):
        lake.upsert_rows(rows("a", "c", "a"), QUARANTINE)
    assert lake.count(QUARANTINE) == len(held)


def test_two_writers_at_once_lose_and_double_nothing(lake):
    def write(n):
        mine = Lake(lake.spark, lake.uri)
        for i in range(3):
            mine.upsert_rows(rows(f"of both {i}", f"of {n} alone {i}"), QUARANTINE)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    found = sorted(r[0] for r in lake.read(QUARANTINE).select("quarantine_id").collect())
    whose = ("of 0 alone", "of 1 alone", "of both")
    assert found == [f"{who} {i}" for who in whose for i in range(3)]


def test_two_lakes_of_one_session_sign_their_own_writes(lake):
    mine, other = (Lake(lake.spark, lake.uri, author=name) for name in ("mine", "other"))
    mine.upsert_rows(rows("a"), QUARANTINE)
    version = lake.version(QUARANTINE)
    assert not lake.changed_since(QUARANTINE, 0, but_by=["mine"])
    other.upsert_rows(rows("b"), QUARANTINE)
    assert lake.changed_since(QUARANTINE, version, but_by=["mine"])
    assert not lake.changed_since(QUARANTINE, version, but_by=["other"])


def test_delete_absent_deletes_only_under_its_condition(lake):
    lake.upsert_rows(rows("a", "b"), QUARANTINE)
    lake.upsert_rows(rows("c", reason="other"), QUARANTINE)
    frame = lake.spark.createDataFrame(rows("a"), QUARANTINE.struct_type())
    lake.upsert(frame, QUARANTINE, delete_absent="t.reason = 'bad'")
    assert {r[0] for r in lake.read(QUARANTINE).select("quarantine_id").collect()} == {"a", "c"}


def test_lake_in_a_metastore_holds_the_same_tables(spark, tmp_path):
    lake = Lake(spark, "schema:covers_test", str(tmp_path))
    lake.upsert_rows(rows("a"), QUARANTINE)
    assert spark.sql("SELECT count(*) FROM covers_test.quarantine").head()[0] == 1
    assert lake.snapshot(QUARANTINE).n_rows == 1


def test_lake_in_a_metastore_without_files_uri_is_refused(spark):
    with pytest.raises(InputError, match="add --files URI"):
        _ = Lake(spark, "schema:covers_test").files
