"""What every triplet must be, whatever the catalogue: checked on drawn ones by plain Python."""

import argparse
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covers.jobs import generate_triplets
from covers.triplets import bucket as buckets_module
from covers.triplets import candidates_table, config, mining_table, sampling_table
from covers.triplets.bucket import Bucket
from covers.triplets.config import SamplingConfig

COLUMNS = (
    "recording_id string, work_id string, title string, family string, split string, cluster string"
)
ONE = 3  # draws an anchor


def frame(spark, rows):
    return spark.createDataFrame(rows, COLUMNS)


def sampling(names, *, per_anchor=ONE, seed=1, **more):
    return SamplingConfig(tuple(names), per_anchor, seed, **more)


def draw(spark, rows, names, **more):
    return in_order(sampling_table.draw_triplets(frame(spark, rows), sampling(names, **more)))


def in_order(found):
    return sorted(
        found.collect(), key=lambda r: (r["strategy"], r["split"], r["anchor"], r["draw"])
    )


def catalogue(n_works=6, versions=3):
    """Two works of every split share a title, so that all kinds can be drawn."""
    rows = []
    for w in range(n_works):
        split = "train" if w < n_works - 3 else "validation"
        family = f"w{w - 1}" if w % 3 == 1 else f"w{w}"
        rows += [
            (f"r{w}-{v}", f"w{w}", f"t{family}", family, split, str((w + v) % 2))
            for v in range(versions)
        ]
    return rows


@st.composite
def catalogues(draw_):
    """Forty catalogues at once, each in splits of its own: any works, titles, splits and clusters.

    Families are what titles link, as `candidates` has them.
    """
    rows, seed = [], draw_(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    for c in range(40):
        n_works = rng.integers(1, 7)
        titles = [[f"{c}x", f"{c}y", f"{c}z", None][i] for i in rng.integers(0, 4, n_works)]
        splits = dict(
            zip(titles, rng.choice([f"{c}train", f"{c}validation"], n_works), strict=True)
        )
        for i in range(rng.integers(0, draw_(st.sampled_from([4, 17])))):
            w = rng.integers(0, n_works)
            first = titles.index(titles[w]) if titles[w] else w
            cluster = str(rng.integers(0, 3)) if rng.random() < 0.9 else None
            rows.append(
                (
                    f"r{c}-{i}",
                    f"w{c}-{w}",
                    titles[w],
                    f"w{c}-{first}",
                    str(splits[titles[w]]),
                    cluster,
                )
            )
    return rows


def check(rows, triplets, names, per_anchor=ONE):
    """Assert the invariants that DESIGN and the write-ups ask of a triplet."""
    work, title, family, split, cluster = ({r[0]: r[i] for r in rows} for i in range(1, 6))
    for t in triplets:
        a, p, n = t["anchor"], t["positive"], t["negative"]
        assert (work[n] != work[a], family[n] != family[a]) == (True, True)
        assert title[a] is None or title[n] != title[a]
        assert {split[a], split[p], split[n]} == {t["split"]}
        assert (p == a) == (t["kind"] == "augmentation") == bool(t["augmentation"])
        same = {"clique": work, "title": title, "cluster": cluster}.get(t["kind"], work)
        assert (same[p] == same[a], same[n] != same[a]) == (True, True)
        assert (t["anchor_label"], t["negative_label"]) == (same[a], same[n])
    made = Counter((t["strategy"], t["anchor"]) for t in triplets)
    assert made == {key: per_anchor for key in possible(rows, names)}


def possible(rows, names):
    """The anchors of every strategy, by looking at all pairs."""
    kinds = {"clique": 1, "title": 2, "cluster": 5}
    able = set()
    for a in rows:
        beside = [r for r in rows if r[4] == a[4] and r[0] != a[0]]
        others = [r for r in beside if r[3] != a[3]]
        for kind, at in kinds.items():
            positive = a[at] is not None and any(r[at] == a[at] for r in beside)
            if positive and any(r[at] is not None and r[at] != a[at] for r in others):
                able.add((kind, a[0]))
        if others:
            able.add(("augmentation", a[0]))
    able |= {("mix", a) for kind, a in able if kind in config.MIX_SHARES}
    return {(s, a) for s, a in able if s in names}


@pytest.mark.spark
@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(catalogues())
def test_rules_hold_in_any_catalogue_and_every_anchor_that_can_has_exactly_its_number(spark, rows):
    check(rows, draw(spark, rows, config.STRATEGIES), config.STRATEGIES)


@pytest.mark.spark
def test_the_same_seed_gives_the_same_triplets_whatever_the_partitions_and_another_others(spark):
    rows = catalogue()
    one = draw(spark, rows, ["mix", "cluster"])
    check(rows, one, ["mix", "cluster"])
    turned = frame(spark, rows[::-1]).repartition(5)
    again = sampling_table.draw_triplets(turned, sampling(["mix", "cluster"]))
    assert one == in_order(again)
    assert one != draw(spark, rows, ["mix", "cluster"], seed=2)


@pytest.mark.spark
def test_negatives_are_uniform_and_a_mix_takes_the_kinds_by_their_shares(spark):
    lone = [(f"r{i}", f"w{i // 2}", None, f"w{i // 2}", "apart", "0") for i in range(12)]
    shares = {"clique": 3.0, "title": 1.0}
    triplets = draw(spark, lone + catalogue(), ["clique", "mix"], per_anchor=400, mix_shares=shares)
    negatives = Counter(t["negative"] for t in triplets if t["anchor"] == "r0")
    assert set(negatives) == {f"r{i}" for i in range(2, 12)}
    assert max(negatives.values()) < 2 * min(negatives.values())
    kinds = Counter(t["kind"] for t in triplets if (t["strategy"], t["anchor"]) == ("mix", "r0-0"))
    assert set(kinds) == set(shares)
    assert kinds["clique"] / kinds["title"] == pytest.approx(3, rel=0.3)


RECORDING = (
    "recording_id string, work_id string, split string, title string, artist string, spec string"
)


def recordings(spark, rows):
    """Recordings that are present and of no track; and one that is gone."""
    rows = [(*r, "present", None) for r in rows]
    gone = ("gone", "g", "train", "Gone", None, None, "removed", None)
    return spark.createDataFrame([*rows, gone], f"{RECORDING}, state string, track_id string")


@pytest.mark.spark
def test_splits_share_no_work_title_or_artist(spark):
    rows = [
        ("a", "w1", "train", "Yesterday!", "One", None),  # a test title
        ("a2", "w1", "train", None, "One", None),  # the same work, without a title
        ("b", "w2", "train", "Help", "Two", None),
        ("c", "w3", "test", "yesterday", "Three", None),
        ("d", "w4", "train", "Other", "THREE", None),  # a test artist
        ("e", "w5", "train", "Else", "Three", "{}"),  # synthesised: the artist is invented
        ("f", "w6", "validation", "Free", "two", None),  # a training artist
        ("g", "w7", "validation", "Free", "Four", None),  # the title of f: one family
        ("h", "w8", "validation", "Help!", None, None),  # a training title
        ("i", "w9", "validation", "", None, None),
        ("j", "w9", "train", None, None, None),  # the work is in train: not i
    ]
    found = {
        r["recording_id"]: r
        for r in candidates_table.select_candidates(recordings(spark, rows), None).collect()
    }
    assert sorted(found) == ["b", "e", "g", "j"]
    assert found["g"]["family"] == "w6"
    assert found["j"]["title"] is None


@pytest.mark.spark
def test_family_follows_a_chain_of_titles_to_its_end(spark):
    chain = [(f"w{i:02d}", f"t{j}") for i in range(6) for j in (i, i + 1)]
    rows = [*chain, ("w99", "alone"), ("w98", None)]
    found = candidates_table.add_families(
        spark.createDataFrame(rows, "work_id string, title string")
    )
    families = {r["work_id"]: r["family"] for r in found.collect()}
    assert families == dict.fromkeys([w for w, _ in chain], "w00") | {"w99": "w99", "w98": "w98"}


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="strategy must be one of"):
        sampling(["hard"])
    with pytest.raises(ValueError, match="mix_shares must be numbers from 0"):
        sampling(["mix"], mix_shares={"clique": -1.0})
    with pytest.raises(ValueError, match=r"mix_shares must be .* not all 0"):
        sampling(["mix"], mix_shares={"clique": 0.0})
    with pytest.raises(ValueError, match="per_anchor must be at least 1, got 0"):
        sampling(["clique"], per_anchor=0)
    with pytest.raises(ValueError, match=r"mining must be one of .*, got 'easy'"):
        mining_table.mine_triplets(None, None, sampling(["clique"]), "easy")
    for text in ("clique", "clique=0", "clique=-1", "other=1", "clique=x"):
        with pytest.raises(argparse.ArgumentTypeError, match="a share must be KIND=X"):
            generate_triplets.mix_share(text)


def test_earlier_flag_of_shares_is_answered_with_the_new_one(capsys):
    with pytest.raises(SystemExit) as ended:
        generate_triplets.parse_args(["--lake", "lake", "--weights", "clique=1"])
    assert ended.value.code == 2
    assert "--weights is now --mix-shares" in capsys.readouterr().err


@st.composite
def buckets(draw_):
    """Embeddings with labels in families (works), or across them (clusters)."""
    rng = np.random.default_rng(draw_(st.integers(0, 10_000)))
    n, n_transpositions = draw_(st.integers(1, 60)), draw_(st.sampled_from([1, 3]))
    vectors = rng.standard_normal((n, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.unique(np.sort(rng.integers(0, draw_(st.integers(1, 8)), n)), return_inverse=True)[
        1
    ]
    across = draw_(st.booleans())
    families = rng.integers(0, 5, n) if across else labels // draw_(st.integers(1, 3))
    return Bucket(vectors, n_transpositions, labels, families)


def naive_similarities(bucket):
    """All pairs at the best transposition."""
    rows = bucket.vectors.reshape(len(bucket.vectors), bucket.n_transpositions, -1).astype(float)
    rolled = [
        np.roll(rows, s, axis=1).reshape(len(rows), -1) for s in range(bucket.n_transpositions)
    ]
    return np.max([bucket.vectors @ r.T for r in rolled], axis=0)


def allowed(bucket):
    """Which pairs may be anchor and negative."""
    labels, families = bucket.labels, bucket.families
    return (labels[:, None] != labels) & (families[:, None] != families)


@settings(max_examples=60, deadline=None)
@given(buckets(), st.integers(1, 9), st.sampled_from([2, 64]))
def test_nearest_negatives_are_those_of_all_pairs(bucket, k, pool):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            buckets_module, "_POSITIVE_POOL", pool
        )  # also by the index that leaves labels out
        ids, near = bucket.nearest_negatives(np.arange(len(bucket.labels)), k)
    similar = np.where(allowed(bucket), naive_similarities(bucket), -np.inf)
    wanted = -np.sort(-similar, axis=1)[:, :k]
    n = wanted.shape[1]
    np.testing.assert_allclose(near[:, :n], wanted, atol=1e-5)
    assert (near[:, n:] == -np.inf).all()
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in ids)
    rows, at = np.nonzero(ids >= 0)
    np.testing.assert_allclose(similar[rows, ids[rows, at]], near[rows, at], atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(buckets(), st.sampled_from(config.MINING_MODES), st.integers(0, 3), st.integers(0, 2**60))
def test_mined_triplets_keep_the_rules_and_are_what_their_mode_says(
    bucket, mode, draw_number, number
):
    n = len(bucket.labels)
    anchors, draws = np.arange(n), np.full(n, draw_number)
    positives = bucket.choose_positives(anchors, draws, np.full(n, number), mode)
    similar, others = naive_similarities(bucket), allowed(bucket)
    sizes = np.bincount(bucket.labels)[bucket.labels]
    np.testing.assert_array_equal(positives < 0, sizes == 1)
    or_anchor = np.where(positives < 0, anchors, positives)
    negatives = bucket.choose_negatives(anchors, or_anchor, draws, mode)
    np.testing.assert_array_equal(negatives < 0, ~others.any(axis=1))
    for a, (p, q) in enumerate(zip(positives, negatives, strict=True)):
        if p >= 0:
            mates = [m for m in np.flatnonzero(bucket.labels == bucket.labels[a]) if m != a]
            assert p in mates
            if mode == "hard":
                ranked = np.sort(similar[a, mates])
                assert similar[a, p] == pytest.approx(ranked[draw_number % len(mates)], abs=1e-5)
        if q < 0:
            continue
        assert others[a, q]
        limit = similar[a, p if p >= 0 else a] - 1e-6 if mode == "semi-hard" else np.inf
        ranked = -np.sort(-similar[a, others[a]])
        beyond = ranked[ranked < limit]
        wanted = beyond[draw_number % len(beyond)] if len(beyond) else ranked[-1]
        assert similar[a, q] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.spark
def test_mined_triplets_of_a_lake_are_near_and_the_same_whatever_the_partitions(spark, monkeypatch):
    rows = catalogue(12)
    monkeypatch.setattr(mining_table, "BUCKET_SIZE", 20)  # two of them, several families in each
    rng = np.random.default_rng(0)
    unit = {r[0]: v / np.linalg.norm(v) for r in rows for v in [rng.standard_normal(4)]}
    left_out = rows[0][0]
    made = [(i, v.tolist(), 1) for i, v in unit.items() if i != left_out]
    vectors = spark.createDataFrame(
        made, "recording_id string, vector array<float>, n_transpositions int"
    )

    def mined(candidates, mode):
        drawing = sampling(["clique", "augmentation"], per_anchor=2)
        return in_order(mining_table.mine_triplets(candidates, vectors, drawing, mode))

    embedded = [r for r in rows if r[0] != left_out]
    hard, semi = (mined(frame(spark, rows), mode) for mode in config.MINING_MODES[::-1])
    for triplets, mode in ((hard, "hard"), (semi, "semi-hard")):
        named = [
            t.asDict() | {"strategy": t["strategy"].removesuffix(f"-{mode}")} for t in triplets
        ]
        check(embedded, named, ["clique", "augmentation"], per_anchor=2)
        for t in triplets:
            d = np.linalg.norm(unit[t["anchor"]] - unit[t["negative"]])
            assert t["distance_negative"] == pytest.approx(d, abs=1e-4)
            assert (t["distance_positive"] is None) == (t["kind"] == "augmentation")
    assert hard == mined(frame(spark, rows[::-1]).repartition(5), "hard")
    mean = lambda ts: np.mean([t["distance_negative"] for t in ts])  # noqa: E731
    assert mean(hard) < mean(semi)
