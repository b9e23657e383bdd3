"""Candidates: the recordings that may be in a triplet, with work, family, split and cluster.

*Conventions.* A **family** is a set of works that may be one: they share a title, directly or through
other works, so that none may be the negative of another. Splits share no family and, among recorded
(not synthesised) audio, no artist: what is in test is left out of train and validation, what is in train
out of validation.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from covers.catalog.names_table import normalised, track_id_of_recording
from covers.io.spark import checkpoint_to_disk


def select_candidates(recordings: DataFrame, clusters: DataFrame | None) -> DataFrame:
    """Return the recordings of train and validation that may be in a triplet.

    Parameters
    ----------
    recordings : DataFrame
        Rows of `recordings`.
    clusters : DataFrame or None
        Rows of `track_clusters` of one model, for strategy cluster.

    Returns
    -------
    DataFrame
        Columns recording_id, work_id, title, family, split, cluster. A recording without a work is a
        work of its own; title is null where there is none.
    """
    or_null = lambda name: F.nullif(normalised(name), F.lit(""))  # noqa: E731
    rows = recordings.where("state = 'present'").select(
        "recording_id",
        F.coalesce("work_id", "recording_id").alias("work_id"),
        track_id_of_recording().alias("track_id"),
        or_null("title").alias("title"),
        # A synthesised version's artist is made up: versions of different works share it.
        F.when(F.col("spec").isNull(), or_null("artist")).alias("artist"),
        "split",
    )
    rows = add_families(rows)
    for key in ("family", "artist"):
        rows = make_splits_disjoint(rows, key)
    rows = rows.where("split <> 'test'")
    if clusters is None:
        rows = rows.withColumn("cluster", F.lit(None).cast("string"))
    else:
        by_track = clusters.select("track_id", F.col("cluster").cast("string").alias("cluster"))
        rows = rows.join(by_track, "track_id", "left")
    return rows.select("recording_id", "work_id", "title", "family", "split", "cluster")


def add_families(rows: DataFrame) -> DataFrame:
    """Add column family: the first work_id of all works that titles link to this one."""
    linked = rows.where("title IS NOT NULL").select("work_id", "title").distinct()
    linked = checkpoint_to_disk(linked.withColumn("family", F.col("work_id")))
    least = lambda name, of: F.min(name).over(Window.partitionBy(of))  # noqa: E731
    # Connected components by label propagation: as many rounds as the longest chain of works and
    # titles has links, mostly two.
    while True:
        propagated = linked.withColumn("_title", least("family", "title"))
        propagated = checkpoint_to_disk(propagated.withColumn("_new", least("_title", "work_id")))
        if propagated.where("_new <> family").isEmpty():
            break
        linked = propagated.select("work_id", "title", F.col("_new").alias("family"))
    families = linked.groupBy("work_id").agg(F.min("family").alias("family"))
    own = F.coalesce("family", "work_id").alias("family")
    return rows.join(families, "work_id", "left").select(*rows.columns, own)


def make_splits_disjoint(rows: DataFrame, key: str) -> DataFrame:
    """Remove from a split what shares a key with an earlier one: test, then train, then validation."""
    # "test" < "train" < "validation" alphabetically: min is the earliest.
    first = rows.where(F.col(key).isNotNull()).groupBy(key).agg(F.min("split").alias("_first"))
    kept = F.col("_first").isNull() | (F.col("_first") == F.col("split"))
    return rows.join(first, key, "left").where(kept).select(*rows.columns)


def select_cluster_model(clusters: DataFrame, model_id: str | None) -> DataFrame:
    """Return the `track_clusters` rows of a cluster model, by default of the first by id."""
    if model_id:
        return clusters.where(F.col("cluster_model_id") == model_id)
    first = clusters.select("cluster_model_id").orderBy("cluster_model_id").head()
    return clusters.where(F.col("cluster_model_id") == (first[0] if first else ""))
