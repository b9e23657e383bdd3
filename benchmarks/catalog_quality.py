"""Clusters and regressor of a lake beside scikit-learn and single-node XGBoost on the same rows.

python -m benchmarks.catalog_quality --lake LAKE [--plot FILE]    (after the catalogue's jobs)
"""

from __future__ import annotations

import argparse

import numpy as np
from matplotlib.figure import Figure
from pyspark.sql import functions as F
from rich.console import Console
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, root_mean_squared_error
from xgboost import XGBRegressor

from benchmarks.measure import session
from covers.catalog import kmeans_table, plots
from covers.catalog.regressor_table import RegressorConfig, first_seed, split
from covers.io.lake import Lake
from covers.schemas.cluster_models import CLUSTER_MODELS
from covers.schemas.evaluations import EVALUATIONS
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.track_features import TRACK_FEATURES
from covers.schemas.track_similarity import TRACK_SIMILARITY


def clusters(lake: Lake, console: Console) -> None:
    features = lake.read(TRACK_FEATURES).where("source = 'catalog'")
    labels = lake.read(TRACK_CLUSTERS).where("method = 'nearest_center'")
    for model in lake.read(CLUSTER_MODELS).orderBy("cluster_model_id").collect():
        mine = labels.where(F.col("cluster_model_id") == model["cluster_model_id"])
        vectors = features.where(F.col("encoding") == model["encoding"])
        rows = vectors.join(mine, "track_id").select("features", "cluster").toPandas()
        x = np.stack(rows["features"].to_list())
        best = KMeans(model["k"], n_init=10, random_state=0).fit(x)
        ari = adjusted_rand_score(best.labels_, rows["cluster"])
        ratio = model["inertia"] / best.inertia_
        name = model["cluster_model_id"]
        console.print(
            f"{name}: inertia {model['inertia']:,.2f}, scikit-learn's best of ten "
            f"{best.inertia_:,.2f} (ratio {ratio:.6f}), ARI {ari:.4f}"
        )


def regressor(lake: Lake, console: Console) -> None:
    config = RegressorConfig()
    scored = lake.read(TRACK_SIMILARITY).where("method = 'writeup'")
    seed = first_seed(scored)
    train, test = (
        p.toPandas() for p in split(scored.where(F.col("seed_track_id") == seed), config)
    )
    single = XGBRegressor(
        n_estimators=config.n_estimators, learning_rate=config.learning_rate, random_state=config.seed
    ).fit(train.drop(columns="similarity"), train["similarity"])  # fmt: skip
    theirs = root_mean_squared_error(
        test["similarity"], single.predict(test.drop(columns="similarity"))
    )
    rows = lake.read(EVALUATIONS).where("metric = 'rmse' AND system LIKE 'regressor-%'")
    for row in rows.where(F.col("data_set") == f"similarity to {seed}").collect():
        ratio = row["value"] / theirs
        console.print(
            f"{row['system']}: RMSE {row['value']:.6f}, one node {theirs:.6f} (ratio {ratio:.4f})"
        )


def cluster_maps(lake: Lake) -> Figure:
    """Draw the maps of every clustering of the lake with three clusters in one figure."""
    features = lake.read(TRACK_FEATURES).where("source = 'catalog'")
    labels = lake.read(TRACK_CLUSTERS).where("method = 'nearest_center'")
    maps = {}
    for model in lake.read(CLUSTER_MODELS).where("k = 3").orderBy(F.desc("encoding")).collect():
        mine = labels.where(F.col("cluster_model_id") == model["cluster_model_id"])
        vectors = features.where(F.col("encoding") == model["encoding"])
        rows = vectors.join(mine.select("track_id", "cluster"), "track_id")
        maps[f"encoding {model['encoding']}"] = kmeans_table.map_sample(rows, rows.count(), 123)
    return plots.cluster_map(maps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lake", required=True, metavar="FOLDER")
    parser.add_argument("--plot", metavar="FILE", help="PNG: maps of all clusterings")
    asked = parser.parse_args()
    lake, console = Lake(session(), asked.lake), Console(width=110, highlight=False)
    clusters(lake, console)
    regressor(lake, console)
    plots.save(cluster_maps(lake) if asked.plot else None, asked.plot)


if __name__ == "__main__":
    main()
