"""Triplets at scale: the whole job on a catalogue, compared with a plain loop in pandas.

    python -m benchmarks.triplets                       # on a synthetic catalogue
    python -m benchmarks.triplets --catalog FILE.csv    # on your own, in the Music Info format

Times are of `generate_triplets` as it runs, the write to Delta included, on two cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import session
from covers.io.lake import Lake
from covers.jobs import generate_triplets
from covers.schemas.recordings import RECORDINGS
from covers.schemas.track_clusters import TRACK_CLUSTERS
from covers.schemas.triplets import TRIPLETS

SONGS = 50_683  # as many as the write-up's catalogue


def make_catalog(n_songs: int, n_artists: int = 8_000) -> pd.DataFrame:
    """Return a catalogue of synthetic names: one title in ten is another song's, too."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "track_id": [f"T{i:06d}" for i in range(n_songs)],
            "name": [f"song {i}" for i in rng.integers(0, 5 * n_songs, n_songs)],
            "artist": [f"artist {i}" for i in rng.zipf(1.3, n_songs) % n_artists],
        }
    )


def fill(lake: Lake, songs: pd.DataFrame, clusters: np.ndarray) -> None:
    """Write a recording and a cluster for every song."""
    frame = songs.assign(cluster=clusters)[["track_id", "name", "artist", "cluster"]]
    rows = lake.spark.createDataFrame(frame).persist()
    split = F.when(F.pmod(F.xxhash64("track_id"), F.lit(10)) < 9, "train").otherwise("validation")
    constant = {
        "data_set": "catalogue", "work_id": None, "uri": "", "sha256": "", "n_bytes": 0, "codec": "",
        "sample_rate": 1, "channels": 1, "duration_s": 1.0, "spec": None, "state": "present",
        "cluster_model_id": "m", "distance": 0.0, "method": "nearest_center", "agrees": None,
    }  # fmt: skip
    own = {"recording_id": F.col("track_id"), "title": F.col("name"), "split": split}
    rows = rows.withColumns({k: F.lit(v) for k, v in constant.items()} | own)
    for table in (RECORDINGS, TRACK_CLUSTERS):
        wanted = [F.col(c.name).cast(c.type).alias(c.name) for c in table.columns]
        lake.upsert(rows.select(*wanted), table)


def job_seconds(spark: SparkSession, folder: str, per_anchor: int, *more: str) -> tuple[float, int]:
    """Run the job; return its time and the number of triplets that it wrote."""
    argv = ["--lake", folder, "--per-anchor", str(per_anchor), "--strategy", "cluster", *more]
    started = time.perf_counter()
    generate_triplets.JOB.execute(spark, generate_triplets.parse_args(argv))
    seconds = time.perf_counter() - started
    seed = generate_triplets.parse_args(argv).seed
    table = spark.table(Lake(spark, folder).identifier(TRIPLETS))
    return seconds, table.where(F.col("seed") == seed).count()


def loop_in_pandas(songs: pd.DataFrame, n_triplets: int) -> float:
    """Return the time a triplet of a plain loop [s]."""
    started = time.perf_counter()
    rows = []
    for i in range(n_triplets):
        anchor = songs.iloc[i % len(songs)]
        same = songs[(songs.cluster == anchor.cluster) & (songs.track_id != anchor.track_id)]
        other = songs[(songs.cluster != anchor.cluster) & (songs.name != anchor["name"])]
        rows.append((anchor.track_id, same.sample(1).iat[0, 0], other.sample(1).iat[0, 0]))
    pd.DataFrame(rows)
    return (time.perf_counter() - started) / n_triplets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--catalog", metavar="CSV", help="default: a synthetic one")
    parser.add_argument("--small", type=int, default=500_000, metavar="N", help="triplets")
    parser.add_argument("--large", type=int, default=5_000_000, metavar="N", help="triplets")
    args = parser.parse_args()
    songs = pd.read_csv(args.catalog) if args.catalog else make_catalog(SONGS)
    rng, spark = np.random.default_rng(1), session()
    even = rng.integers(0, 8, len(songs))
    skewed = np.where(rng.random(len(songs)) < 0.5, 0, even)
    with tempfile.TemporaryDirectory() as folder:
        for name, clusters in (("even", even), ("skewed", skewed)):
            fill(Lake(spark, f"{folder}/{name}"), songs, clusters)
        _, n_anchors = job_seconds(spark, f"{folder}/even", 1, "--seed", "1")  # and warm
        few, many = (-(-n // n_anchors) for n in (args.small, args.large))
        small, n_small = job_seconds(spark, f"{folder}/even", few, "--seed", "2")
        skew, n_skew = job_seconds(spark, f"{folder}/skewed", few, "--seed", "2")
        large, n_large = job_seconds(spark, f"{folder}/even", many, "--seed", "3")
    a_triplet = loop_in_pandas(songs.assign(cluster=even), 500)
    linear = large / small / (n_large / n_small)
    grid = Grid("job on two cores, Delta write included", "triplets", "seconds", "compared")
    grid.add_row("eight even clusters", f"{n_small:,}", f"{small:.1f}", f"{n_anchors:,} anchors")
    grid.add_row(
        "one cluster of half of all", f"{n_skew:,}", f"{skew:.1f}", f"{skew / small:.2f} x the even"
    )
    grid.add_row("ten times as many", f"{n_large:,}", f"{large:.1f}", f"{linear:.2f} x linear")
    loop = a_triplet * n_small
    grid.add_row(
        "loop in pandas (from 500)",
        f"{n_small:,}",
        f"{loop:,.0f}",
        f"{loop / small:.0f} x the job's time",
    )
    Console(width=110).print(grid)
    spark.stop()


if __name__ == "__main__":
    main()
