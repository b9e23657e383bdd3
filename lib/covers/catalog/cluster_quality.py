"""What clusters are worth, by what they were not made from: keys, titles, artists.

*Conventions.* Agreement is the mean over groups of the share of a group's pairs that lie in one
cluster; chance is that share for any two tracks. Songs of one title by different artists are
often versions of one work: good clusters hold them together, whatever key each is played in.

References
----------
The write-up's clusters are key bands without one exception (`docs/catalogue.md`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Agreement:
    """Share of pairs in one cluster with its 95% interval, beside chance; ``n`` groups."""

    value: float
    low: float
    high: float
    chance: float
    n: int

    def __str__(self) -> str:
        """Say it in a line of a summary."""
        if not self.n:
            return "no two such tracks"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}), chance {self.chance:.3f}"


def told_by_key(rows: DataFrame) -> float:
    """Return the share of tracks whose cluster the key alone tells; takes key and cluster.

    1 = the clusters are nothing but key bands.
    """
    counts = rows.groupBy("key", "cluster").count()
    by_key = counts.groupBy("key").agg(F.max("count").alias("told"), F.sum("count").alias("n"))
    told, n_rows = by_key.agg(F.sum("told"), F.sum("n")).collect()[0]
    return told / n_rows


def same_title(rows: DataFrame) -> Agreement:
    """Return how far songs of one title by different artists agree.

    Takes track_id, name, artist and cluster; of several recordings by one artist the first counts.
    """
    songs = rows.groupBy(_plain("name").alias("group"), _plain("artist").alias("artist"))
    return agreement(songs.agg(F.min_by("cluster", "track_id").alias("cluster")))


def same_artist(rows: DataFrame) -> Agreement:
    """Return how far the songs of one artist agree; takes artist and cluster."""
    return agreement(rows.select(_plain("artist").alias("group"), "cluster"))


def agreement(rows: DataFrame) -> Agreement:
    """Return the agreement within every `group` of at least two; takes group and cluster."""
    cells = rows.groupBy("group", "cluster").agg(F.count("*").alias("n"))
    n, squares = F.sum("n").cast("double"), F.sum(F.col("n") * F.col("n")).cast("double")
    groups = cells.groupBy("group").agg(n.alias("n"), squares.alias("squares")).where("n > 1")
    share = (F.col("squares") - F.col("n")) / (F.col("n") * (F.col("n") - 1))
    row = groups.agg(F.count("*"), F.mean(share), F.stddev_samp(share)).collect()[0]
    n_groups, value, spread = row[0], row[1] or 0.0, row[2] or 0.0
    sizes = [r["n"] for r in cells.groupBy("cluster").agg(F.sum("n").alias("n")).collect()]
    chance = sum((size / sum(sizes)) ** 2 for size in sizes)
    half = 1.96 * spread / math.sqrt(max(n_groups, 1))
    return Agreement(value, value - half, value + half, chance, n_groups)


def _plain(column: str) -> Column:
    """Return a name without case and punctuation, in Spark alone."""
    return F.lower(F.trim(F.regexp_replace(column, r"[^\p{L}\p{N}]+", " ")))
