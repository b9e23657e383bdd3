"""What every triplet must be, whatever the catalogue: checked on drawn ones by plain Python."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.triplets import strategies

pytestmark = pytest.mark.spark
COLUMNS = "recording_id string, work_id string, split string, cluster string"


def frame(spark, rows):
    return spark.createDataFrame(rows, COLUMNS)


def draw(spark, rows, strategy, **more):
    found = strategies.generate(
        frame(spark, rows), [strategy], **({"per_anchor": 2, "seed": 1} | more)
    )
    return sorted(found.collect(), key=lambda r: (r["split"], r["anchor"], r["draw"]))


def catalogue(n_works=6, versions=3):
    return [
        (f"r{w}-{v}", f"w{w}", "train" if w < n_works - 2 else "validation", str(w % 2))
        for w in range(n_works) for v in range(versions)
    ]  # fmt: skip


def check(rows, triplets):
    """Assert the invariants that DESIGN and the write-ups ask of a triplet."""
    work = {r[0]: r[1] for r in rows}
    split = {r[0]: r[2] for r in rows}
    cluster = {r[0]: r[3] for r in rows}
    for t in triplets:
        a, p, n = t["anchor"], t["positive"], t["negative"]
        assert work[n] != work[a]
        assert {split[a], split[p], split[n]} == {t["split"]}
        if t["kind"] == "clique":
            assert (work[p] == work[a], p != a) == (True, True)
        if t["kind"] == "augmentation":
            assert p == a
            assert t["augmentation"]
        if t["kind"] == "cluster":
            assert (cluster[p] == cluster[a], p != a, cluster[n] != cluster[a]) == (True,) * 3


@pytest.mark.parametrize("strategy", strategies.STRATEGIES)
def test_every_triplet_keeps_the_rules_of_its_kind(spark, strategy):
    rows = catalogue()
    triplets = draw(spark, rows, strategy)
    check(rows, triplets)
    assert len(triplets) == 2 * len(rows)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["train", "validation"]), st.integers(0, 2)),
        min_size=1, max_size=14,
    ),
    st.sampled_from(strategies.STRATEGIES),
)  # fmt: skip
def test_rules_hold_in_any_catalogue(spark, drawn, strategy):
    split_of = {}
    rows = [
        (f"r{i}", f"w{w}", split_of.setdefault(w, split), str(cluster))
        for i, (w, split, cluster) in enumerate(drawn)
    ]
    check(rows, draw(spark, rows, strategy))


def test_the_same_seed_gives_the_same_triplets_whatever_the_partitions(spark):
    rows = catalogue()
    one = draw(spark, rows, "mix")
    turned = frame(spark, rows[::-1]).repartition(5)
    other = strategies.generate(turned, ["mix"], per_anchor=2, seed=1).collect()
    assert one == sorted(other, key=lambda r: (r["split"], r["anchor"], r["draw"]))


def test_another_seed_gives_other_triplets(spark):
    assert draw(spark, catalogue(), "clique") != draw(spark, catalogue(), "clique", seed=2)


def test_label_that_holds_everything_has_no_negative_and_no_triplet(spark):
    rows = [(f"r{i}", "w", "train", "0") for i in range(4)]
    assert draw(spark, rows, "clique") == []


def test_negative_is_spread_over_all_others(spark):
    rows = [(f"r{i}", f"w{i // 2}", "train", "0") for i in range(20)]
    triplets = draw(spark, rows, "clique", per_anchor=60)
    negatives = [t["negative"] for t in triplets if t["anchor"] == "r0"]
    assert set(negatives) == {f"r{i}" for i in range(2, 20)}


def test_work_with_the_title_of_a_test_work_is_never_trained_on(spark):
    names = ("recording_id", "work_id", "split", "title", "state", "track_id")
    columns = ", ".join(f"{name} string" for name in names)
    rows = [
        ("a", "w1", "train", "Yesterday!", "present", None),
        ("b", "w2", "train", "Help", "present", "t"),
        ("c", "w3", "test", "yesterday", "present", None),
        ("d", "w4", "train", "Gone", "removed", None),
    ]
    found = strategies.candidates(spark.createDataFrame(rows, columns), None).collect()
    assert [r["recording_id"] for r in found] == ["b"]


def test_unknown_strategy_and_no_triplet_an_anchor_are_refused(spark):
    with pytest.raises(ValueError, match="strategy must be one of"):
        draw(spark, catalogue(), "hard")
    with pytest.raises(ValueError, match="per_anchor must be at least 1, got 0"):
        draw(spark, catalogue(), "clique", per_anchor=0)
