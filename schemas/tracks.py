"""`tracks`: the catalogue, one row a track, as Music Info gives it."""

from __future__ import annotations

from pyspark.sql import types as T

from covers.schemas.table import Column, Table

TRACKS = Table(
    name="tracks",
    comment="One track of the catalogue",
    columns=(
        Column("track_id", T.StringType(), "Catalogue id of the track"),
        Column("name", T.StringType(), "Title"),
        Column("artist", T.StringType(), "Artist"),
        Column(
            "spotify_preview_url",
            T.StringType(),
            "Address of a 30-second preview",
            nullable=True,
        ),
        Column("spotify_id", T.StringType(), "Id at Spotify", nullable=True),
        Column("tags", T.StringType(), "Comma-separated tags", nullable=True),
        Column("genre", T.StringType(), "Genre", nullable=True),
        Column("year", T.IntegerType(), "Year of release", nullable=True),
        Column("duration_ms", T.LongType(), "Length", "ms", nullable=True),
        Column("danceability", T.DoubleType(), "How suitable for dancing", "0 to 1"),
        Column("energy", T.DoubleType(), "Perceived intensity", "0 to 1"),
        Column(
            "key",
            T.IntegerType(),
            "Pitch class of the tonic, 0 = C; -1 = not detected",
            "-1 to 11",
        ),
        Column("loudness", T.DoubleType(), "Mean loudness", "dB", nullable=True),
        Column("mode", T.IntegerType(), "1 major, 0 minor"),
        Column("speechiness", T.DoubleType(), "Share of speech", "0 to 1", nullable=True),
        Column(
            "acousticness",
            T.DoubleType(),
            "Confidence that it is acoustic",
            "0 to 1",
            nullable=True,
        ),
        Column(
            "instrumentalness",
            T.DoubleType(),
            "Confidence that there is no singing",
            "0 to 1",
            nullable=True,
        ),
        Column(
            "liveness",
            T.DoubleType(),
            "Confidence that an audience is present",
            "0 to 1",
            nullable=True,
        ),
        Column("valence", T.DoubleType(), "Musical positiveness", "0 to 1"),
        Column("tempo", T.DoubleType(), "Tempo; 0 = not detected", "BPM"),
        Column("time_signature", T.IntegerType(), "Beats in a bar", nullable=True),
        Column("row_hash", T.StringType(), "SHA-256 of the other 21 columns, to detect an update"),
    ),
    key=("track_id",),
    checks={
        "danceability_in_range": "danceability BETWEEN 0 AND 1",
        "energy_in_range": "energy BETWEEN 0 AND 1",
        "valence_in_range": "valence BETWEEN 0 AND 1",
        "key_in_range": "key BETWEEN -1 AND 11",
        "mode_is_0_or_1": "mode IN (0, 1)",
        "tempo_not_negative": "tempo >= 0",
    },
)
