"""Synthesis with Spark, one song a task: versions as audio or as table rows, and duplicate songs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.audio import recordings_table
from covers.io.lake import Lake
from covers.io.spark import map_rows
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.synthesis import version_files
from covers.synthesis.corpus import Loader, find_duplicates, melodic_ngrams
from covers.synthesis.song import Song
from covers.synthesis.version_spec import SamplingConfig, sample_specs

Names = list[tuple[str, str]]  # of a song, its split
Outcome = tuple[int, list[dict]]  # versions made; songs rejected, with the reason
_AUDIO = T.StructType(
    [T.StructField(n, T.StringType()) for n in (*version_files.MANIFEST, "reason")]
)
_SYMBOLIC = T.StructType(
    [T.StructField(f.name, f.dataType) for f in RECORDINGS.struct_type()]
    + [
        T.StructField(f.name, f.dataType)
        for f in SPECTROGRAMS.struct_type()
        if f.name not in RECORDINGS.column_names
    ]
    + [T.StructField("reason", T.StringType())]
)
_NGRAMS = T.StructType(
    [
        T.StructField("name", T.StringType()),
        T.StructField("title", T.StringType()),
        T.StructField("ngrams", T.ArrayType(T.LongType())),
    ]
)


def write_audio_versions(
    spark: SparkSession, out: Path, load: Loader, names: Names, config: SamplingConfig
) -> tuple[list[dict], list[dict]]:
    """Render versions of many songs under ``out``, with a manifest if there is any.

    Returns
    -------
    versions : list of dict
        Manifest rows, by recording_id.
    rejected : list of dict
        ``song`` and ``reason`` of the songs that cannot be read.
    """

    def make_versions(song: Song, split: str) -> list[dict]:
        specs = enumerate(sample_specs(song, config))
        return [version_files.write_audio(song, spec, i, out, split) for i, spec in specs]

    outcomes = _map_songs(spark, load, names, make_versions, _AUDIO).collect()
    rows = [r.asDict() for r in outcomes]
    rejected = [{"song": r["work_id"], "reason": r["reason"]} for r in rows if r["reason"]]
    versions = sorted((r for r in rows if not r["reason"]), key=lambda r: r["recording_id"])
    if versions:
        version_files.write_manifest(versions, out)
    return versions, rejected


def write_symbolic_versions(
    lake: Lake, data_set: str, load: Loader, names: Names, config: SamplingConfig
) -> Outcome:
    """Write versions of many songs as rows of `recordings` and `spectrograms`.

    Recordings of the data set that are not made any more are marked removed. Returns the number
    of versions, and ``song`` and ``reason`` of the songs that cannot be read.
    """

    def make_versions(song: Song, split: str) -> list[dict]:
        specs = enumerate(sample_specs(song, config))
        return [version_files.symbolic_row(song, spec, i, data_set, split) for i, spec in specs]

    outcomes = _map_songs(lake.spark, load, names, make_versions, _SYMBOLIC).persist()
    versions = outcomes.where("reason IS NULL")
    n_versions = versions.count()
    if n_versions:
        recordings = versions.select(*RECORDINGS.column_names)
        removed = recordings_table.removed_rows(lake, recordings, data_set)
        lake.upsert(versions.select(*SPECTROGRAMS.column_names), SPECTROGRAMS)
        lake.upsert(recordings.unionByName(removed), RECORDINGS)
    rejected = outcomes.where("reason IS NOT NULL").select(F.col("work_id").alias("song"), "reason")
    return n_versions, [r.asDict() for r in rejected.collect()]


def group_duplicates(spark: SparkSession, load: Loader, names: list[str]) -> dict[str, str]:
    """Return, for every song, the name of the first song that it is a duplicate of, mostly itself.

    Songs that cannot be read are duplicates of none; they are rejected when versions are made.
    """

    def ngram_rows(row: dict) -> list[dict]:
        try:
            song = load(row["name"])
        except ValueError:
            return []
        ngrams = melodic_ngrams(song.melody).tolist()
        return [{"name": row["name"], "title": song.title, "ngrams": ngrams}]

    listed = spark.createDataFrame([(n,) for n in names], "name string")
    songs = map_rows(listed, ngram_rows, _NGRAMS, partition_by="name").collect()
    songs = sorted(songs, key=lambda r: r["name"])
    ngrams = [np.array(r["ngrams"], np.int64) for r in songs]
    first = find_duplicates([r["title"] for r in songs], ngrams)
    groups = {r["name"]: songs[i]["name"] for r, i in zip(songs, first, strict=True)}
    return {name: groups.get(name, name) for name in names}


def _map_songs(
    spark: SparkSession,
    load: Loader,
    names: Names,
    make_versions: Callable[[Song, str], list[dict]],
    schema: T.StructType,
) -> DataFrame:
    """Return the rows of all songs; of a song that cannot be read, one with its name and a reason."""

    def version_rows(row: dict) -> list[dict]:
        try:
            return make_versions(load(row["name"]), row["split"])
        except ValueError as error:
            return [{"work_id": row["name"], "reason": str(error)}]

    listed = spark.createDataFrame(names, "name string, split string")
    return map_rows(listed, version_rows, schema, partition_by="name")
