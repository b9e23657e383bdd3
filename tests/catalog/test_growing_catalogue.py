"""One catalogue from CSV to clusters, and what a second file does to it: job after job."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import functions as F
from sklearn.cluster import KMeans

from covers.catalog.features import Scaler
from covers.io.lake import Lake
from covers.jobs import (
    assign_clusters,
    cluster_tracks,
    compute_features,
    ingest_catalog,
    score_similarity,
    train_cluster_classifier,
    train_similarity_regressor,
)  # fmt: skip
from covers.schemas.classifier_fits import CLASSIFIER_FITS
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.models import MODELS
from covers.schemas.quarantine import QUARANTINE
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.tracks import TRACKS

pytestmark = pytest.mark.spark
HEADER = [
    "track_id",
    "name",
    "artist",
    "danceability",
    "energy",
    "key",
    "mode",
    "valence",
    "tempo",
    "note",
]
MOODS = {0: (0.3, 0.9, 0.2, 150.0), 1: (0.3, 0.2, 0.2, 80.0), 2: (0.8, 0.6, 0.9, 115.0)}


def rows_of(numbers, rng):
    """Tracks in three moods, in every key; every third title belongs to several artists."""
    rows = []
    for i in numbers:
        d, e, v, t = MOODS[i % 3]
        moved = np.clip(np.array([d, e, v]) + rng.normal(0, 0.03, 3), 0, 1).round(4)
        rows.append([f"T{i:04d}", f"Song {i % 60}", f"Band {i}", moved[0], moved[1], i // 3 % 12, i % 2,
                     moved[2], round(t + rng.normal(0, 3), 3), "extra"])  # fmt: skip
    return rows


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])


@pytest.fixture(scope="module")
def grown(spark, tmp_path_factory):
    """The lake of 300 tracks after every job, its folder, and the jobs' summaries."""
    folder = tmp_path_factory.mktemp("grown")
    lake = Lake(spark, str(folder / "lake"))

    def run(job, *argv):
        summary = folder / "summary.json"
        args = job.parse_args(
            ["--lake", lake.uri, "--json", str(summary), "--max-quarantined", "1", *argv]
        )
        assert job.JOB.execute(spark, args) == 0
        return json.loads(summary.read_text())

    rows = rows_of(range(300), np.random.default_rng(0))
    write(folder / "a.csv", rows)
    summary = {"ingest": run(ingest_catalog, "--catalog", str(folder / "a.csv"))}
    run(compute_features)
    for encoding in ("raw", "musical"):
        plot = ("--plot", str(folder / f"{encoding}.png"))
        summary[encoding] = run(cluster_tracks, "--encoding", encoding, *plot)
    run(score_similarity, "--track-id", "T0000")
    summary["regressor"] = run(train_similarity_regressor, "--plot", str(folder / "gain.png"))
    summary["classifier"] = run(train_cluster_classifier, "--plot", str(folder / "fits.png"))
    return lake, folder, summary, run, rows


def test_raw_clusters_are_key_bands_and_musical_ones_are_moods(grown):
    lake, folder, summary, *_ = grown
    assert summary["raw"]["key_purity"] == 1.0
    assert summary["musical"]["key_purity"] < 0.6
    clusters = lake.read(TRACK_CLUSTERS).where("cluster_model_id LIKE 'musical%'").collect()
    moods = {(int(r["track_id"][1:]) % 3, r["cluster"]) for r in clusters}
    assert len(moods) == 3
    metrics = {
        r["metric"] for r in lake.read(EVALUATIONS).where("system LIKE 'musical%'").collect()
    }
    assert {"key_purity", "same_title", "same_title_by_chance", "stability"} <= metrics
    for name in ("raw", "musical", "gain", "fits"):
        assert (folder / f"{name}.png").stat().st_size > 1000


def test_clusters_are_scikit_learns_on_the_vectors_in_the_lake(grown):
    lake = grown[0]
    features = lake.read(TRACK_FEATURES).where("encoding = 'musical'").collect()
    best = KMeans(3, n_init=10, random_state=0).fit([r["features"] for r in features])
    model = lake.read(CLUSTER_MODELS).where("encoding = 'musical'").head()
    assert model["inertia"] == pytest.approx(best.inertia_, rel=1e-3)


def test_xgboost_through_spark_is_as_good_as_on_one_node_and_beats_plain_models(grown):
    from xgboost import XGBRegressor

    from covers.catalog.regressor_table import RegressorConfig, split
    from covers.schemas.track_similarity import TRACK_SIMILARITY

    lake, summary = grown[0], grown[2]["regressor"]
    scores = {r["model"]: r for r in summary["test_scores"]}
    config = RegressorConfig()
    train, test = (p.toPandas() for p in split(lake.read(TRACK_SIMILARITY), config))
    single = XGBRegressor(n_estimators=100, learning_rate=0.1, random_state=123)
    single.fit(train.drop(columns="similarity"), train["similarity"])
    error = single.predict(test.drop(columns="similarity")) - test["similarity"]
    assert scores["xgboost"]["rmse"] == pytest.approx(float(np.sqrt((error**2).mean())), rel=0.02)
    assert scores["xgboost"]["rmse"] < scores["linear"]["rmse"] < scores["mean"]["rmse"]
    assert scores["mean"]["r2"] == pytest.approx(0, abs=0.05)


def test_classifier_leaves_a_model_a_card_its_fits_and_its_checks(grown):
    lake, _, summary, *_ = grown
    model = lake.read(MODELS).where("kind = 'classifier'").head()
    card = (Path(model["uri"]).parent / "README.md").read_text()
    assert model["model_id"] in card
    assert summary["classifier"]["accuracy"] > 0.9
    fits = lake.read(CLASSIFIER_FITS)
    assert fits.count() == 2 * summary["classifier"]["fits"]
    checks = {r["check"] for r in summary["classifier"]["overfitting_checks"]}
    assert {"own_split", "artist_disjoint", "permuted_labels", "nearest_center"} <= checks


def test_second_file_inserts_updates_and_keeps_and_its_new_tracks_get_clusters(grown, spark):
    lake, folder, summary, run, rows = grown
    assert (summary["ingest"]["read"], summary["ingest"]["ignored_columns"]) == (300, "note")
    version = lake.version(TRACKS)
    run(ingest_catalog, "--catalog", str(folder / "a.csv"))
    assert lake.version(TRACKS) == version  # nothing new, nothing written
    before = {r["track_id"]: r["row_hash"] for r in lake.read(TRACKS).collect()}
    new = rows_of(range(300, 330), np.random.default_rng(1))
    new[0][8], new[1][5], new[1][8] = 400.0, -1, 0.0  # a tempo never seen; nothing detected
    write(folder / "b.csv", [[*rows[0][:8], 151.0, "x"], rows[1], *new])
    run(ingest_catalog, "--catalog", str(folder / "b.csv"))
    after = {r["track_id"]: r["row_hash"] for r in lake.read(TRACKS).collect()}
    assert set(after) - set(before) == {r[0] for r in new}
    assert [t for t in before if after[t] != before[t]] == ["T0000"]
    model = lake.read(CLUSTER_MODELS).where("encoding = 'musical'").head()
    run(compute_features)
    impossible = lake.read(TRACK_FEATURES).where("encoding = 'musical'").limit(1).withColumns(
        {"track_id": F.lit("bad"), "x_vector": F.expr("transform(x_vector, x -> x + 20D)")}
    )  # fmt: skip
    lake.upsert(impossible, TRACK_FEATURES)
    found = run(assign_clusters)
    assert (found["read"], found["assigned"], found["quarantined"]) == (
        31,
        30,
        1,
    )
    assert lake.read(QUARANTINE).where("reason = 'attributes_out_of_range'").count() == 1
    everyone, unusual = found["agreement_with_nearest_center"]
    assert (everyone["n"], unusual["n"]) == (30, 2)
    assert everyone["agree"] > 0.9
    # The centres' own scaler is used, though the catalogue has a wider range of tempo since.
    scaler = Scaler(**json.loads(
        lake.read(MODELS).where(F.col("model_id") == model["scaler_id"]).head()["config"]
    ))  # fmt: skip
    i = 302
    row = new[i - 300]
    values = dict(zip(HEADER, row, strict=True))
    scaled = [
        (values[c] - scaler.mean[c]) / scaler.std[c]
        for c in ("danceability", "energy", "valence", "tempo")
    ]
    angle = values["key"] * 7 * 2 * np.pi / 12
    vector = [*scaled, 0.5 * np.cos(angle), 0.5 * np.sin(angle), values["mode"] - 0.5]
    centers = np.array(model["centers"]).reshape(3, 7)
    nearest = np.linalg.norm(centers - vector, axis=1).min()
    assigned = lake.read(TRACK_CLUSTERS).where(f"track_id = 'T{i:04d}'").head()
    assert assigned["distance"] == pytest.approx(nearest)
