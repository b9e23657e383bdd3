"""The catalogue's jobs as one would write them with pandas, scikit-learn and XGBoost.

python -m benchmarks.catalog_rival CSV_FOLDER SEED_TRACK OUT JSON    (run by benchmarks.catalog)
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, SGDClassifier
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

X_VECTOR = ["danceability", "energy", "key", "mode", "valence", "tempo"]
SCALED = ["danceability", "energy", "valence", "tempo"]


def ingest(folder: Path) -> pd.DataFrame:
    tracks = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*.csv"))])
    shares = (
        tracks[["danceability", "energy", "valence"]].apply(lambda x: x.between(0, 1)).all(axis=1)
    )
    good = (
        shares
        & tracks["key"].between(-1, 11)
        & tracks["mode"].isin([0, 1])
        & (tracks["tempo"] >= 0)
    )
    return tracks[good & tracks["name"].notna()].drop_duplicates("track_id").reset_index(drop=True)


def features(tracks: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    raw = tracks[X_VECTOR].to_numpy(float)
    raw[:, 5] /= raw[:, 5].max()
    musical = StandardScaler().fit_transform(tracks[SCALED])
    angle = tracks["key"].to_numpy() * 7 * 2 * np.pi / 12
    mode = tracks["mode"].to_numpy() - 0.5
    return raw, np.column_stack([musical, 0.5 * np.cos(angle), 0.5 * np.sin(angle), mode])


def similarity(raw: np.ndarray, seed: int) -> np.ndarray:
    near = 1 - np.abs(raw[:, [0, 1, 4, 5]] - raw[seed, [0, 1, 4, 5]])
    same = raw[:, [2, 3]] == raw[seed, [2, 3]]
    return (near.sum(axis=1) + same.sum(axis=1)) / 6


def regress(raw: np.ndarray, target: np.ndarray) -> None:
    x, held, y, truth = train_test_split(raw, target, test_size=0.2, random_state=123)
    model = XGBRegressor(n_estimators=100, learning_rate=0.1, random_state=123, n_jobs=2).fit(x, y)
    for fitted in (model, LinearRegression().fit(x, y)):
        root_mean_squared_error(truth, fitted.predict(held))


def classify(x: np.ndarray, y: np.ndarray) -> SGDClassifier:
    rng = np.random.default_rng(123)
    x, held, y, truth = train_test_split(x, y, test_size=0.2, random_state=123)
    held, truth = held[:10_000], truth[:10_000]
    model = SGDClassifier(learning_rate="adaptive", eta0=0.01, random_state=123)
    classes = np.unique(y)
    for start in range(0, len(x), 500):
        order = start + rng.permutation(min(500, len(x) - start))
        model.partial_fit(x[order], y[order], classes=classes)
        for part, labels in ((x[order], y[order]), (held, truth)):
            said = model.predict(part)
            accuracy_score(labels, said)
            precision_recall_fscore_support(labels, said, average="weighted", zero_division=0)
    return model


def main() -> None:
    folder, seed_track, out, said = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    out.mkdir()
    found: dict[str, tuple[float, float, float]] = {}
    started = (time.perf_counter(), 0.0)  # importing counts as use of the processor, as in the jobs

    def done(step: str) -> None:
        nonlocal started
        now = (time.perf_counter(), time.process_time())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found[step] = (now[0] - started[0], now[1] - started[1], peak)
        started = now

    tracks = ingest(folder)
    tracks.to_parquet(out / "tracks.parquet")
    done("ingest_catalog")
    raw, musical = features(tracks)
    np.savez(out / "features.npz", raw=raw, musical=musical)
    done("compute_features")
    clusters = KMeans(3, n_init=10, random_state=123).fit(musical)
    np.save(out / "clusters.npy", clusters.labels_)
    done("cluster_tracks")
    scored = similarity(raw, int((tracks["track_id"] == seed_track).to_numpy().argmax()))
    tracks[["track_id"]].assign(similarity=scored).to_parquet(out / "similarity.parquet")
    done("score_similarity")
    regress(raw, scored)
    done("train_similarity_regressor")
    model = classify(musical, clusters.labels_)
    done("train_cluster_classifier")
    new = musical[tracks["track_id"].str.endswith("7").to_numpy()]
    (model.predict(new) == clusters.predict(new)).mean()
    done("assign_clusters")
    Path(said).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
