"""Rows of `track_features`, and the scaler that they are encoded by."""

from __future__ import annotations

import math
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from covers.catalog.features import ENCODINGS, KEY_RADIUS, MAX_TEMPO, X_VECTOR, Scaler
from covers.io.files import content_id
from covers.io.lake import Lake
from covers.io.model_store import has, newest, register_json

_SCALED = ("danceability", "energy", "valence", "tempo")


def fit_scaler(tracks: DataFrame) -> Scaler:
    """Fit over the catalogue in one pass; takes columns danceability … tempo."""
    detected = F.when(F.col("tempo") > 0, F.col("tempo"))
    columns = {c: detected if c == "tempo" else F.col(c) for c in _SCALED}
    row = tracks.agg(
        F.min("tempo").alias("tempo_min"),
        F.max("tempo").alias("tempo_max"),
        *[F.mean(x).alias(f"mean_{c}") for c, x in columns.items()],
        *[F.stddev_pop(x).alias(f"std_{c}") for c, x in columns.items()],
    ).collect()[0]
    mean = {c: float(row[f"mean_{c}"] or 0.0) for c in _SCALED}
    std = {c: float(row[f"std_{c}"] or 1.0) for c in _SCALED}
    return Scaler(float(row["tempo_min"]), float(row["tempo_max"]), mean, std)


def register_scaler(lake: Lake, tracks: DataFrame) -> tuple[str, Scaler]:
    """Fit a scaler over these tracks and register it; return its id with it."""
    scaler = fit_scaler(tracks)
    scaler_id = content_id("scaler", scaler.to_dict())
    register_json(lake, scaler_id, "scaler", scaler.to_dict())
    return scaler_id, scaler


def scaler_for(lake: Lake, tracks: DataFrame) -> tuple[str, Scaler]:
    """Return the lake's newest scaler; if it has none, fit one over these tracks and register it."""
    if not has(lake, "scaler"):
        return register_scaler(lake, tracks)
    model = newest(lake, "scaler")
    return model.model_id, Scaler(**model.config)


def x_vector() -> Column:
    """Return the write-up's vector, unscaled, as an array of six doubles."""
    return F.array(*[F.col(c).cast("double") for c in X_VECTOR])


def encode(scaler: Scaler, encoding: str) -> Column:
    """Return the encoded vector; takes columns danceability … tempo.

    Raises
    ------
    ValueError
        If the encoding is unknown.
    """
    if encoding == "raw":
        span = (scaler.tempo_max - scaler.tempo_min) or 1.0
        tempo = (F.col("tempo") - scaler.tempo_min) / span
        return F.array(*[F.col(c).cast("double") for c in X_VECTOR[:-1]], tempo)
    if encoding != "musical":
        raise ValueError(f"encoding must be one of {ENCODINGS}, got {encoding!r}")
    tempo = F.when(F.col("tempo") > 0, F.col("tempo")).otherwise(scaler.mean["tempo"])
    values = {c: tempo if c == "tempo" else F.col(c) for c in _SCALED}
    scaled = [(x - scaler.mean[c]) / (scaler.std[c] or 1.0) for c, x in values.items()]
    angle = F.col("key") * 7 * (2 * math.pi / 12)
    is_detected = F.col("key") >= 0
    circle = [F.when(is_detected, KEY_RADIUS * f(angle)).otherwise(0.0) for f in (F.cos, F.sin)]
    return F.array(*scaled, *circle, F.col("mode") - F.lit(0.5))


def is_in_range() -> Column:
    """Return whether all attributes are in range; takes columns danceability … tempo."""
    shares = [F.col(c).between(0, 1) for c in ("danceability", "energy", "valence")]
    key = F.col("key").between(-1, 11) & (F.col("key") == F.floor("key"))
    rules = [*shares, key, F.col("mode").isin(0, 1), F.col("tempo").between(0, MAX_TEMPO)]
    return reduce(and_, rules)


def is_unusual(scaler: Scaler) -> Column:
    """Return whether key or tempo was not detected, or the tempo is outside the scaler's range."""
    is_fitted = F.col("tempo").between(scaler.tempo_min, scaler.tempo_max)
    return (F.col("key") < 0) | (F.col("tempo") == 0) | ~is_fitted


def feature_rows(
    tracks: DataFrame, scaler: Scaler, encoding: str, *, scaler_id: str, source: str, version: int
) -> DataFrame:
    """Return rows of `track_features`; takes track_id, the six attributes, any tempo_confidence."""
    has_confidence = "tempo_confidence" in tracks.columns
    return tracks.select(
        "track_id",
        F.lit(encoding).alias("encoding"),
        F.lit(source).alias("source"),
        x_vector().alias("x_vector"),
        encode(scaler, encoding).alias("features"),
        (F.col("tempo_confidence") if has_confidence else F.lit(None).cast("double")).alias(
            "tempo_confidence"
        ),
        F.lit(scaler_id).alias("scaler_id"),
        F.lit(version).cast("long").alias("tracks_version"),
    )
