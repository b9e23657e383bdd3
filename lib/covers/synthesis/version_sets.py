"""Where the versions of many songs go: to files with a manifest, or straight into the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F

from covers.audio import recordings_table
from covers.io.lake import Lake
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.synthesis import tables
from covers.synthesis.song import Song

Names = list[tuple[str, str]]  # file or folder of a song, its split
Load = Callable[[str], Song]
Outcome = tuple[int, list[dict]]  # versions made; songs refused, with the reason


def as_audio(lake: Lake, out: Path, load: Load, names: Names, how: dict[str, Any]) -> Outcome:
    """Render the versions under ``out`` and write their manifest; ``how`` as `synthesize` takes it."""
    rows = tables.synthesize(lake.spark, load, names, out, **how).collect()
    made, refused = tables.made_and_refused(rows)
    if made:
        tables.write_manifest(made, out)
    return len(made), refused


def as_tables(lake: Lake, data_set: str, load: Load, names: Names, how: dict[str, Any]) -> Outcome:
    """Write the versions as rows of `recordings` and `spectrograms`; mark those made no more."""
    rows = tables.write_directly(lake.spark, load, names, data_set, **how).persist()
    made = rows.where("reason IS NULL")
    n_made = made.count()
    if n_made:
        found = made.select(*RECORDINGS.column_names)
        lake.upsert(made.select(*SPECTROGRAMS.column_names), SPECTROGRAMS)
        lake.upsert(found.unionByName(recordings_table.removed_rows(lake, found, data_set)), RECORDINGS)
    refused = rows.where("reason IS NOT NULL").select(F.col("work_id").alias("song"), "reason")
    return n_made, [r.asDict() for r in refused.collect()]
