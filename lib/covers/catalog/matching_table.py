"""Matching recordings with the catalogue: by the manifest's track_id, else by artist and title."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.catalog.names_table import normalised
from covers.io.lake import Lake
from covers.schemas.recordings import RECORDINGS
from covers.schemas.tracks import TRACKS


def fill_track_ids(lake: Lake, recordings: DataFrame) -> DataFrame:
    """Fill track_id where exactly one track has the recording's normalised artist and title."""
    if not lake.exists(TRACKS):
        return recordings
    names = lake.read(TRACKS).select(
        "track_id", normalised("name").alias("_title"), normalised("artist").alias("_artist")
    )
    unique = names.groupBy("_title", "_artist").agg(
        F.min("track_id").alias("_track"), F.count("*").alias("_n")
    )
    keyed = recordings.withColumns({"_title": normalised("title"), "_artist": normalised("artist")})
    matched = keyed.join(unique.where("_n = 1"), ["_title", "_artist"], "left")
    return matched.withColumn("track_id", F.coalesce("track_id", "_track")).select(
        *RECORDINGS.column_names
    )
