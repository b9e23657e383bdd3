"""The six attributes of recordings with Spark: estimated from audio, or from the spec of a version."""

from __future__ import annotations

from dataclasses import asdict

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from covers.audio import quantize
from covers.audio.attributes import estimate_attributes
from covers.audio.spectrograms_table import select_parameters
from covers.catalog.names_table import track_id_of_recording
from covers.io.spark import map_rows
from covers.schemas.recordings import NOTES

_ATTRIBUTES = {
    "danceability": T.DoubleType(), "energy": T.DoubleType(), "key": T.IntegerType(),
    "mode": T.IntegerType(), "valence": T.DoubleType(), "tempo": T.DoubleType(),
}  # fmt: skip
_ESTIMATED = T.StructType(
    [T.StructField("recording_id", T.StringType())]
    + [T.StructField(name, kind) for name, kind in _ATTRIBUTES.items()]
    + [T.StructField("tempo_confidence", T.DoubleType())]
)


def estimate_rows(spectrograms: DataFrame) -> DataFrame:
    """Return the attributes of every recording that has log_mel and chroma; takes `spectrograms`.

    Uses the parameters that `select_parameters` returns, and the first segment. Returns
    recording_id, the six attributes and tempo_confidence.

    Raises
    ------
    InputError
        As `select_parameters` does.
    """
    tensor = F.struct("shape", "scale", "offset", "frames_per_second", "tensor")
    mel, chroma = (
        select_parameters(spectrograms.where("segment = 0"), name).select(
            "recording_id", tensor.alias(name)
        )
        for name in ("log_mel", "chroma")
    )
    joined = mel.join(chroma, "recording_id")
    return map_rows(joined, _estimate_row, _ESTIMATED, partition_by="recording_id")


def _estimate_row(row: dict) -> list[dict]:
    mel, chroma = (quantize.tensor_of_row(row[name]) for name in ("log_mel", "chroma"))
    attributes = estimate_attributes(mel, row["log_mel"]["frames_per_second"], chroma)
    return [{"recording_id": row["recording_id"], **asdict(attributes)}]


def symbolic_rows(recordings: DataFrame) -> DataFrame:
    """Return the exact attributes of symbolic versions, from their spec; columns as `estimate_rows`."""
    fields = ", ".join(f"`{name}`: {kind.simpleString()}" for name, kind in _ATTRIBUTES.items())
    spec = F.from_json("spec", f"truth struct<{fields}>")
    symbolic = recordings.where(F.col("codec") == NOTES).withColumn("_truth", spec["truth"])
    return symbolic.select("recording_id", "_truth.*", F.lit(1.0).alias("tempo_confidence"))


def track_rows(estimated: DataFrame, recordings: DataFrame) -> DataFrame:
    """Return estimated attributes by track_id: the recording's, or ``rec:`` + recording_id."""
    names = recordings.select("recording_id", "track_id")
    named = estimated.join(names, "recording_id").withColumn("track_id", track_id_of_recording())
    return named.dropDuplicates(["track_id"])


def estimation_errors(catalog: DataFrame, estimated: DataFrame) -> list[dict]:
    """Return metrics of estimates against the catalogue, over the tracks that both have.

    Returns
    -------
    list of dict
        attribute, metric (``accuracy``, or ``mean_absolute_error`` of a proxy), value, n (tracks);
        empty if no track is in both. A tempo is right within 4%.
    """
    joined = catalog.alias("c").join(estimated.alias("e"), "track_id")
    ratio = F.col("e.tempo") / F.col("c.tempo")
    row = joined.agg(
        F.count("*").alias("n"),
        F.mean((F.col("c.key") == F.col("e.key")).cast("double")).alias("key"),
        F.mean((F.col("c.mode") == F.col("e.mode")).cast("double")).alias("mode"),
        F.mean((F.abs(ratio - 1) < 0.04).cast("double")).alias("tempo"),
        *[
            F.mean(F.abs(F.col(f"c.{a}") - F.col(f"e.{a}"))).alias(a)
            for a in ("danceability", "energy", "valence")
        ],
    ).collect()[0]
    if not row["n"]:
        return []
    metrics = dict.fromkeys(("key", "mode", "tempo"), "accuracy")
    metrics |= dict.fromkeys(("danceability", "energy", "valence"), "mean_absolute_error")
    return [
        {"attribute": name, "metric": metric, "value": row[name], "n": row["n"]}
        for name, metric in metrics.items()
    ]
