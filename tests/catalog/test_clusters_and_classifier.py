import argparse
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import accuracy_score, adjusted_rand_score, precision_recall_fscore_support

from covers.catalog import (
    classifier,
    classifier_table,
    cluster_quality_table,
    kmeans,
    kmeans_table,
    model_card,
    overfitting,
    plots,
    stream,
)
from covers.cli.parser import checked
from covers.jobs import cluster_tracks


def blobs(n=240, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.array([[0, 0], [6, 0], [0, 6]])
    return centers[np.arange(n) % 3] + rng.normal(0, 0.7, (n, 2))


@pytest.mark.spark
@pytest.mark.parametrize("held", [1000, 60])  # the driver tries all rows, or a quarter
def test_clusters_agree_with_sklearns_best_of_ten(spark, monkeypatch, held):
    monkeypatch.setattr(kmeans_table, "SAMPLE", held)
    x = blobs()
    frame = spark.createDataFrame([(i, row.tolist()) for i, row in enumerate(x)], ["i", "features"])
    found = kmeans_table.fit(frame, k=3, seed=1)
    theirs = KMeans(3, n_init=10, random_state=0).fit(x)
    assert found.inertia == pytest.approx(theirs.inertia_, rel=1e-3)
    rows = kmeans_table.nearest_center(frame, found.centers).orderBy("i").collect()
    assert adjusted_rand_score([r["cluster"] for r in rows], theirs.labels_) >= 0.99
    naive = np.linalg.norm(x[:, None] - found.centers[None], axis=2)
    np.testing.assert_allclose([r["distance"] for r in rows], naive.min(axis=1), rtol=1e-9)
    assert found.inertia == pytest.approx((naive.min(axis=1) ** 2).sum())
    assert found.stability == pytest.approx(1.0)


@pytest.mark.spark
def test_fewer_different_tracks_than_clusters_are_refused(spark):
    frame = spark.createDataFrame([([0.0, 1.0],)] * 9, ["features"])
    with pytest.raises(ValueError, match=r"more than k = 3 to cluster, got 1"):
        kmeans_table.fit(frame, k=3, seed=1)


def test_three_blobs_give_three_clusters():
    tried = {k: kmeans.fit_sample(blobs(), k=k, seed=1, starts=5) for k in (2, 3, 4, 5)}
    quality = {k: f.silhouette * f.stability for k, f in tried.items()}
    assert max(quality, key=quality.__getitem__) == 3


def test_one_cluster_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="k must be at least 2, or auto, got 1"):
        checked(cluster_tracks.parse_k)("1")


def test_description_of_a_cluster_starts_with_its_strongest_difference():
    words = kmeans.describe(
        np.array([0.2, 0.9, 5, 1, 0.5, 200]), np.array([0.5, 0.5, 5, 1, 0.5, 120]), np.ones(6) * 0.3
    )
    assert words == "fast, loud, not for dancing"


def naive_agreement(rows, group, other):
    """Mean over groups of the share of pairs, of unlike ``other``, in one cluster."""
    shares = []
    for name in {r[group] for r in rows}:
        pairs = itertools.combinations([r for r in rows if r[group] == name], 2)
        same = [
            a["cluster"] == b["cluster"] for a, b in pairs if other is None or a[other] != b[other]
        ]
        shares += [np.mean(same)] if same else []
    return np.mean(shares)


@pytest.mark.spark
def test_agreement_of_clusters_is_that_of_all_pairs_one_by_one(spark):
    rng = np.random.default_rng(2)
    rows = [
        {
            "track_id": f"{i:03d}", "name": f"Song {i % 11}!", "artist": f"Band {i // 11}", "key": i % 12,
            "cluster": int(rng.integers(3)),
        }
        for i in range(60)
    ]  # fmt: skip
    frame = spark.createDataFrame(rows)
    title = cluster_quality_table.same_title(frame)
    assert title.value == pytest.approx(naive_agreement(rows, "name", "artist"))
    assert title.low < title.value < title.high
    sizes = np.bincount([r["cluster"] for r in rows]) / len(rows)
    assert title.chance == pytest.approx((sizes**2).sum())
    assert cluster_quality_table.same_artist(frame).value == pytest.approx(
        naive_agreement(rows, "artist", None)
    )
    assert 1 / 3 < cluster_quality_table.key_purity(frame) < 1
    bands = frame.selectExpr("key", "int(key / 4) AS cluster")
    assert cluster_quality_table.key_purity(bands) == 1.0


def fitted(n_epochs=5):
    x = blobs(600)
    y = np.arange(600) % 3
    config = classifier.ClassifierConfig(batch_size=100)
    passes = (
        [(x[i : i + 100], y[i : i + 100]) for i in range(0, 500, 100)] for _ in range(n_epochs)
    )
    return classifier.fit_stream(passes, (x[500:], y[500:]), 3, config)


def test_classifier_learns_clusters_it_can_separate():
    _, fits = fitted()
    last = fits.iloc[-1]
    assert last["part"] == "test"
    assert last["accuracy"] > 0.97


def test_metrics_follow_every_fit_for_train_and_test():
    _, fits = fitted()
    assert list(fits["fit"]) == [i // 2 + 1 for i in range(50)]
    assert list(fits["part"]) == ["train", "test"] * 25
    rows = list(classifier.fit_rows("m", "iterative", fits))
    assert rows[0][:4] == ("m", "iterative", 1, "train")
    assert len(rows) == 50


def test_saved_classifier_predicts_the_same(tmp_path):
    model, _ = fitted()
    path = tmp_path / "c.skops"
    classifier.save(model, path)
    x = blobs(50, seed=3)
    np.testing.assert_array_equal(classifier.load(path).predict(x), model.predict(x))


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="at least one batch, got none"):
        classifier.fit_stream(
            iter([]), (np.zeros((1, 2)), np.zeros(1)), 3, classifier.ClassifierConfig()
        )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_scores_are_those_of_scikit_learn(pairs):
    truth, predicted = np.array(pairs).T
    found = classifier.scores(classifier.confusion(predicted, truth, 4))
    theirs = precision_recall_fscore_support(truth, predicted, average="weighted", zero_division=0)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert [found[n] for n in ("precision", "recall", "f1")] == pytest.approx(list(theirs[:3]))


chunk_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def chunks_of(sizes):
    ends = np.cumsum([0, *sizes])
    rows = np.arange(ends[-1])
    return [(rows[a:b, None] * 1.0, rows[a:b]) for a, b in itertools.pairwise(ends)]


@given(chunk_sizes, st.integers(1, 30))
def test_batches_hold_every_row_once_in_the_streams_order_but_within_a_batch(sizes, size):
    found = list(stream.batches(chunks_of(sizes), size, np.random.default_rng(0)))
    assert [len(y) for _, y in found[:-1]] == [size] * (len(found) - 1)
    assert all((x[:, 0] == y).all() for x, y in found)
    in_order = [i for _, y in found for i in sorted(y)]
    assert in_order == list(range(sum(sizes)))


@given(chunk_sizes, st.integers(1, 5))
def test_sections_of_a_stream_are_consecutive_and_complete(sizes, n_sections):
    n = sum(sizes)
    ends = [n * i // n_sections for i in range(n_sections + 1)]
    found = [
        [i for _, y in stream.slice_chunks(chunks_of(sizes), *pair) for i in y]
        for pair in itertools.pairwise(ends)
    ]
    assert found == [list(range(a, b)) for a, b in itertools.pairwise(ends)]


@pytest.mark.spark
def test_presets_train_on_their_sections_and_never_on_the_test_set(spark, monkeypatch):
    monkeypatch.setattr(classifier_table, "_PARTITION", 150)
    x = blobs(600).tolist()
    rows = [(f"{i:04d}", x[i], i % 3, (i % 10) / 10) for i in range(600)]
    frame = spark.createDataFrame(rows, ["track_id", "features", "cluster", "bucket"])
    frame = frame.withColumn("cluster", frame.cluster.cast("int")).repartition(7).persist()
    trained = []

    def spy(passes, test, k, config):
        trained.append([np.concatenate([x for x, _ in p]) for p in passes])
        return test

    monkeypatch.setattr(classifier_table, "fit_stream", spy)
    train = np.array([r[1] for r in rows if r[3] >= 0.25])
    test = classifier_table.train(frame, 3, classifier.PRESETS["quarters-2"])
    assert sorted(test[0].tolist()) == sorted(r[1] for r in rows if r[3] < 0.25)
    assert len(trained[-1]) == 30 + 3
    quarter = len(train) // 4
    for wanted, found in (
        (train[:quarter], trained[-1][0]),
        (train[quarter : 2 * quarter], trained[-1][-1]),
    ):
        assert sorted(found.tolist()) == sorted(wanted.tolist())
    config = classifier.config_of("shuffled", epochs=1, seed=123)
    classifier_table.train(frame, 3, config)
    classifier_table.train(frame.repartition(2), 3, config)
    np.testing.assert_array_equal(trained[-1][0], trained[-2][0])  # in any partitioning
    in_order = classifier.config_of("iterative", epochs=1, seed=123)
    classifier_table.train(frame, 3, in_order)
    assert sorted(trained[-1][0].tolist()) == sorted(trained[-2][0].tolist())
    assert trained[-1][0].tolist() != trained[-2][0].tolist()


def check_results(n=3000):
    rng = np.random.default_rng(5)
    x = blobs(n)
    centers = KMeans(3, n_init=3, random_state=0).fit(x).cluster_centers_
    y = ((x[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1).astype(np.int32)
    data = overfitting.Sample(x, y, rng.random(n), np.repeat(rng.random(n // 10), 10))
    found = overfitting.run_checks(data, centers, classifier.ClassifierConfig())
    return {c.name: c for c in found}


def test_overfitting_checks_separate_learning_from_memorizing():
    found = check_results()
    for name in ("own_split", "artist_disjoint"):
        assert found[name].test > 0.97
        assert abs(found[name].train - found[name].test) < 0.02
    assert found["permuted_labels"].train < found["majority"].test + 0.08
    assert found["nearest_center"].test == 1.0
    assert [c.n_train for n, c in found.items() if n.startswith("learning_")] == [500, 1000, 2000]
    assert found["own_split"].n_train + found["own_split"].n_test == 3000


def test_overfitting_rows_and_card_contain_every_check():
    found = list(check_results(600).values())
    model, _ = fitted()
    rows = overfitting.evaluation_rows("m", {"cluster_model_id": "raw-k3-s1"}, found)
    assert {"own_split_train", "own_split_test", "permuted_labels_train"} <= {r[4] for r in rows}
    settings = {"cluster_model_id": "raw-k3-s1", "encoding": "raw", "preset": "quarters-4"}
    page = model_card.render(
        model,
        model_card.CardContents(
            "classifier-1", settings, {"accuracy": 0.9}, overfitting.list_checks(found)
        ),
    )
    for word in (
        "classifier-1",
        "raw-k3-s1",
        "quarters-4",
        "0.9",
        "permuted_labels",
        "nearest cent",
    ):
        assert word in page


def test_plots_show_the_values_they_are_given(tmp_path):
    import pandas as pd

    tracks = pd.DataFrame(
        {"features": blobs(90).tolist(), "key": np.arange(90) % 12, "cluster": np.arange(90) % 3}
    )
    drawn = plots.cluster_map({"one": tracks, "two": tracks})
    plane, bars = drawn.axes[:2]
    assert sum(len(c.get_offsets()) for c in plane.collections) == 90
    assert sum(bar.get_height() for bar in bars.patches) == 90
    tried = [{"k": k, "silhouette": 0.5, "stability": 0.9} for k in (2, 3)]
    assert [line.get_label() for line in plots.k_choice(tried).axes[0].lines] == [
        "silhouette",
        "stability",
    ]
    shares = plots.importance({"key": 0.2, "mode": 0.8}).axes[0].patches
    assert [bar.get_width() for bar in shares] == [0.2, 0.8]
    lines = plots.fits(fitted()[1]).axes[0].lines
    assert [len(line.get_xdata()) for line in lines] == [25, 25]
    curve = (
        plots.overfitting(overfitting.list_checks(list(check_results().values()))).axes[0].lines[0]
    )
    assert list(curve.get_xdata())[:3] == [500, 1000, 2000]
    plots.save(drawn, str(tmp_path / "map.png"))
    assert (tmp_path / "map.png").read_bytes()[1:4] == b"PNG"
    plots.save(drawn, None)
