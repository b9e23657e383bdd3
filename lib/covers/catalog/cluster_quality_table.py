"""Quality of clusters by what they were not made from: keys, titles, artists.

*Conventions.* Agreement is the mean over groups of the share of a group's pairs that lie in one
cluster; chance is that share for any two tracks. Songs of one title by different artists are
often versions of one work: clusters by character hold them together in any key.

References
----------
The write-up's clusters are key bands without one exception (`docs/catalogue.md`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from covers.catalog.kmeans import Clustering


@dataclass(frozen=True)
class Agreement:
    """Share of pairs in one cluster with its 95% interval, beside chance; ``n`` groups."""

    value: float
    low: float
    high: float
    chance: float
    n: int

    def __str__(self) -> str:
        """Return it as a line of a summary."""
        if not self.n:
            return "no two such tracks"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}), chance {self.chance:.3f}"


@dataclass(frozen=True)
class ClusterQuality:
    """Key purity, 0 to 1, and the agreement of songs of one title and of one artist."""

    key_purity: float
    same_title: Agreement
    same_artist: Agreement

    def summary(self) -> dict[str, object]:
        """Return it for a job's summary."""
        return {
            "key_purity": self.key_purity,
            "same_title_in_one_cluster": str(self.same_title),
            "same_artist_in_one_cluster": str(self.same_artist),
        }

    def evaluation_rows(self, fit: Clustering, model_id: str, n_tracks: int) -> list[tuple]:
        """Return rows of `evaluations`: these metrics, silhouette and stability."""
        plain = {
            "key_purity": self.key_purity,
            "silhouette": fit.silhouette,
            "stability": fit.stability,
        }
        rows: list[tuple] = [(name, value, None, None, n_tracks) for name, value in plain.items()]
        for name, found in {"same_title": self.same_title, "same_artist": self.same_artist}.items():
            rows += [
                (name, found.value, found.low, found.high, found.n),
                (f"{name}_by_chance", found.chance, None, None, found.n),
            ]
        identity = (f"{model_id}/catalogue", "catalogue", "k-means", model_id)
        return [(*identity, *row) for row in rows]


def evaluate_clusters(clustered: DataFrame, tracks: DataFrame) -> ClusterQuality:
    """Return the quality of clusters; takes track_id and cluster, and `track_names` rows."""
    rows = clustered.select("track_id", "cluster").join(
        tracks.select("track_id", "name", "artist", "key"), "track_id"
    )
    return ClusterQuality(key_purity(rows), same_title(rows), same_artist(rows))


def key_purity(rows: DataFrame) -> float:
    """Return the share of tracks in the most frequent cluster of their key; takes key and cluster.

    1 = the key alone determines the cluster: clusters are nothing but key bands.
    """
    counts = rows.groupBy("key", "cluster").count()
    by_key = counts.groupBy("key").agg(F.max("count").alias("in_mode"), F.sum("count").alias("n"))
    n_in_mode, n_rows = by_key.agg(F.sum("in_mode"), F.sum("n")).collect()[0]
    return n_in_mode / n_rows


def same_title(rows: DataFrame) -> Agreement:
    """Return the agreement of songs of one title by different artists.

    Takes track_id, name, artist and cluster; of several recordings by one artist the first counts.
    """
    songs = rows.groupBy(_normalised("name").alias("group"), _normalised("artist").alias("artist"))
    return agreement(songs.agg(F.min_by("cluster", "track_id").alias("cluster")))


def same_artist(rows: DataFrame) -> Agreement:
    """Return the agreement of the songs of one artist; takes artist and cluster."""
    return agreement(rows.select(_normalised("artist").alias("group"), "cluster"))


def agreement(rows: DataFrame) -> Agreement:
    """Return the agreement within every `group` of at least two; takes group and cluster."""
    counts = rows.groupBy("group", "cluster").agg(F.count("*").alias("n"))
    n, squares = F.sum("n").cast("double"), F.sum(F.col("n") * F.col("n")).cast("double")
    groups = counts.groupBy("group").agg(n.alias("n"), squares.alias("squares")).where("n > 1")
    share = (F.col("squares") - F.col("n")) / (F.col("n") * (F.col("n") - 1))
    row = groups.agg(F.count("*"), F.mean(share), F.stddev_samp(share)).collect()[0]
    n_groups, value, spread = row[0], row[1] or 0.0, row[2] or 0.0
    sizes = [r["n"] for r in counts.groupBy("cluster").agg(F.sum("n").alias("n")).collect()]
    chance = sum((size / sum(sizes)) ** 2 for size in sizes)
    half = 1.96 * spread / math.sqrt(max(n_groups, 1))
    return Agreement(value, value - half, value + half, chance, n_groups)


def _normalised(column: str) -> Column:
    """Return a name without case and punctuation, in Spark alone."""
    return F.lower(F.trim(F.regexp_replace(column, r"[^\p{L}\p{N}]+", " ")))
