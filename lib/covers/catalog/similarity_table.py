"""Similarity of tracks to a seed track.

*Conventions.* ``writeup``: mean of six, 1 - |difference| for danceability, energy, valence and
tempo scaled to the catalogue's range, 1 or 0 for the same key and mode. ``euclidean``: 1 - the
root mean square of the same six differences, the key's taken around the circle (half-turn = 1).

References
----------
The write-up "Triplets from Music Info", section on "Mr. Brightside".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from covers.catalog.names import normalise
from covers.catalog.names_table import normalised
from covers.errors import InputError

METHODS = ("writeup", "euclidean")
_KEY, _MODE = 2, 3


def find_track(tracks: DataFrame, title: str, artist: str | None) -> str:
    """Return the track_id of a title (and artist), ignoring case, accents and punctuation.

    Raises
    ------
    InputError
        If several tracks match (it lists them), or none (it lists the nearest names).
    """
    names = tracks.select(
        "track_id", "name", "artist", normalised("name").alias("n"), normalised("artist").alias("a")
    )
    wanted = names.where(_without_spaces(F.col("n")) == _without_spaces(F.lit(normalise(title))))
    if artist:
        wanted = wanted.where(
            _without_spaces(F.col("a")) == _without_spaces(F.lit(normalise(artist)))
        )
    rows = wanted.orderBy("track_id").limit(6).collect()
    if len(rows) == 1:
        return rows[0]["track_id"]
    if rows:
        listed = "; ".join(f"{r['name']} by {r['artist']} = {r['track_id']}" for r in rows)
        raise InputError(f"track must be one, got several: {listed}; give --track-id")
    key = F.levenshtein(
        F.concat_ws(" ", "n", "a" if artist else F.lit("")),
        F.lit(normalise(f"{title} {artist or ''}")),
    )
    nearest = names.orderBy(key, "track_id").limit(3).collect()
    listed = "; ".join(f"{r['name']} by {r['artist']}" for r in nearest)
    raise InputError(
        f"track must be in the catalogue, got {title!r} by {artist!r}; nearest: {listed}"
    )


def _without_spaces(name: Column) -> Column:
    """Return a name without its spaces: "dont" finds "don't", "acdc" finds "AC/DC"."""
    return F.replace(name, F.lit(" "), F.lit(""))


def similarity(method: str, seed: list[float]) -> Column:
    """Return the similarity of column `features` (encoding raw) to the seed's, 0 to 1.

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    x = [F.col("features")[i] for i in range(6)]
    if method == "writeup":
        terms = [
            F.when(x[i] == seed[i], 1.0).otherwise(0.0) if i in (_KEY, _MODE)
            else 1.0 - F.abs(x[i] - seed[i])
            for i in range(6)
        ]  # fmt: skip
        return sum(terms[1:], terms[0]) / 6.0
    if method != "euclidean":
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    difference = F.abs(x[_KEY] - seed[_KEY])
    differences = [
        F.least(difference, 12 - difference) / 6 if i == _KEY else x[i] - seed[i] for i in range(6)
    ]
    squares = [d * d for d in differences]
    return 1.0 - F.sqrt(sum(squares[1:], squares[0]) / 6.0)


def similarity_rows(features: DataFrame, *, seed_track_id: str, method: str) -> DataFrame:
    """Return rows of `track_similarity`; takes track_id and features (encoding raw).

    Raises
    ------
    InputError
        If the seed track is not among them.
    """
    seed = features.where(F.col("track_id") == seed_track_id).select("features").head()
    if seed is None:
        raise InputError(
            f"seed track must have features, got none for {seed_track_id!r}; "
            "run compute_features --encoding raw first"
        )
    return features.select(
        F.lit(seed_track_id).alias("seed_track_id"),
        F.lit(method).alias("method"),
        "track_id",
        F.greatest(F.lit(0.0), F.least(F.lit(1.0), similarity(method, list(seed[0])))).alias(
            "similarity"
        ),
        F.col("features").alias("x_vector"),
    )
