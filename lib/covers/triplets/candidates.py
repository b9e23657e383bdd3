"""What may be in a triplet, and which works are too near to be each other's negative.

*Conventions.* A **family** is what may be one work: works that share a title, directly or through
other works. Splits share no family and, among recorded (not synthesised) audio, no artist: what
is in test is left out of the others, what is in train is left out of validation.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from covers.catalog.names import normalised, track_id_of_recording
from covers.io.spark import checkpoint_to_disk


def candidates(recordings: DataFrame, clusters: DataFrame | None) -> DataFrame:
    """Return recording_id, work_id, title, family, split, cluster of what may be in a triplet.

    Takes `recordings` rows and, for strategy cluster, rows of `track_clusters`. A recording without
    a work is a work of its own; title is null where there is none.
    """
    known = lambda name: F.nullif(normalised(name), F.lit(""))  # noqa: E731
    found = recordings.where("state = 'present'").select(
        "recording_id",
        F.coalesce("work_id", "recording_id").alias("work_id"),
        track_id_of_recording().alias("track_id"),
        known("title").alias("title"),
        F.when(F.col("spec").isNull(), known("artist")).alias("artist"),  # others are invented
        "split",
    )
    found = with_families(found)
    for key in ("family", "artist"):
        found = disjoint(found, key)
    found = found.where("split <> 'test'")
    if clusters is None:
        found = found.withColumn("cluster", F.lit(None).cast("string"))
    else:
        by_track = clusters.select("track_id", F.col("cluster").cast("string").alias("cluster"))
        found = found.join(by_track, "track_id", "left")
    return found.select("recording_id", "work_id", "title", "family", "split", "cluster")


def with_families(found: DataFrame) -> DataFrame:
    """Add `family`, the first work_id of all works that are linked by titles."""
    linked = found.where("title IS NOT NULL").select("work_id", "title").distinct()
    linked = checkpoint_to_disk(linked.withColumn("family", F.col("work_id")))
    least = lambda name, of: F.min(name).over(Window.partitionBy(of))  # noqa: E731
    while True:  # as often as the longest chain of works and titles is long: twice, mostly
        spread = linked.withColumn("_title", least("family", "title"))
        spread = checkpoint_to_disk(spread.withColumn("_new", least("_title", "work_id")))
        if spread.where("_new <> family").isEmpty():
            break
        linked = spread.select("work_id", "title", F.col("_new").alias("family"))
    families = linked.groupBy("work_id").agg(F.min("family").alias("family"))
    own = F.coalesce("family", "work_id").alias("family")
    return found.join(families, "work_id", "left").select(*found.columns, own)


def disjoint(found: DataFrame, key: str) -> DataFrame:
    """Leave out of a split what shares a key with a split before it: test, train, validation."""
    first = found.where(F.col(key).isNotNull()).groupBy(key).agg(F.min("split").alias("_first"))
    kept = F.col("_first").isNull() | (F.col("_first") == F.col("split"))  # test < train < val…
    return found.join(first, key, "left").where(kept).select(*found.columns)


def of_model(clusters: DataFrame, model_id: str | None) -> DataFrame:
    """Return the rows of one cluster model: by id, or the first of encoding musical."""
    if model_id:
        return clusters.where(F.col("cluster_model_id") == model_id)
    first = clusters.select("cluster_model_id").orderBy("cluster_model_id").head()
    return clusters.where(F.col("cluster_model_id") == (first[0] if first else ""))
