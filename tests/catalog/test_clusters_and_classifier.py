import argparse

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from lib.catalog import classifier, clusters


def blobs(n=240, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.array([[0, 0], [6, 0], [0, 6]])
    return centers[np.arange(n) % 3] + rng.normal(0, 0.7, (n, 2))


@pytest.mark.spark
def test_clusters_agree_with_sklearns_best_of_ten(spark):
    x = blobs()
    frame = spark.createDataFrame([(i, row.tolist()) for i, row in enumerate(x)], ["i", "features"])
    found = clusters.fit(frame, k=3, seed=1)
    theirs = KMeans(3, n_init=10, random_state=0).fit(x)
    assert found.inertia == pytest.approx(theirs.inertia_, rel=1e-3)
    rows = clusters.nearest_center(frame, found.centers).orderBy("i").collect()
    assert adjusted_rand_score([r["cluster"] for r in rows], theirs.labels_) >= 0.99
    naive = np.linalg.norm(x[:, None] - found.centers[None], axis=2)
    np.testing.assert_allclose([r["distance"] for r in rows], naive.min(axis=1), rtol=1e-9)
    assert found.stability == pytest.approx(1.0)


@pytest.mark.spark
def test_fewer_tracks_than_clusters_are_refused(spark):
    frame = spark.createDataFrame([([0.0, 1.0],)], ["features"])
    with pytest.raises(ValueError, match="more than k = 3 to cluster, got 1"):
        clusters.fit(frame, k=3, seed=1)


def test_one_cluster_is_refused():
    with pytest.raises(argparse.ArgumentTypeError, match="k must be at least 2, got 1"):
        clusters.parse_k("1")


def test_words_of_a_cluster_name_its_strongest_difference_first():
    words = clusters.describe(
        np.array([0.2, 0.9, 5, 1, 0.5, 200]), np.array([0.5, 0.5, 5, 1, 0.5, 120]), np.ones(6) * 0.3
    )
    assert words == "fast, loud, not for dancing"


def fitted(n_epochs=5):
    x = blobs(600)
    y = np.arange(600) % 3
    config = classifier.ClassifierConfig(epochs=n_epochs, batch_size=100)
    passes = ([(x[i : i + 100], y[i : i + 100]) for i in range(0, 500, 100)] for _ in range(5))
    return classifier.fit_stream(passes, (x[500:], y[500:]), np.arange(3), config)


def test_classifier_learns_clusters_it_can_separate():
    _, fits = fitted()
    assert fits[-1]["part"] == "test"
    assert fits[-1]["accuracy"] > 0.97


def test_figures_come_after_every_fit_for_train_and_test():
    _, fits = fitted()
    assert [f["fit"] for f in fits] == [i // 2 + 1 for i in range(50)]
    assert {f["part"] for f in fits} == {"train", "test"}


def test_saved_classifier_predicts_the_same(tmp_path):
    model, _ = fitted()
    path = tmp_path / "c.skops"
    classifier.save(model, path)
    x = blobs(50, seed=3)
    np.testing.assert_array_equal(classifier.predictor(str(path))(x), model.predict(x))


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="at least one batch, got none"):
        classifier.fit_stream(
            iter([]), (np.zeros((1, 2)), np.zeros(1)), np.arange(3), classifier.ClassifierConfig()
        )


def test_scores_of_a_perfect_prediction_are_one():
    found = classifier.scores(np.array([0, 1, 2]), np.array([0, 1, 2]))
    assert found == {"accuracy": 1, "precision": 1, "recall": 1, "f1": 1, "n": 3}
