"""What only the demo needs: composed songs, a catalogue of made-up tracks, and broken examples.

*Conventions.* A song of the demo is named by its number as text.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf

from covers.io.files import atomic_write
from covers.synthesis.arrange import arrange
from covers.synthesis.composer import compose
from covers.synthesis.corpus import Loader
from covers.synthesis.pop909 import write_pop909
from covers.synthesis.synthesizer import render
from covers.synthesis.version_files import SAMPLE_RATE
from covers.synthesis.version_spec import SamplingConfig, sample_specs

_CATALOG_COLUMNS = {  # of the Music Info format, that every made-up row has in common
    "spotify_preview_url": "", "spotify_id": "", "tags": "demo, made up", "genre": "", "duration_ms": 180000,
    "loudness": -8.0, "speechiness": 0.05, "acousticness": 0.2, "instrumentalness": 0.0, "liveness": 0.1,
    "time_signature": 4,
}  # fmt: skip
_COLUMN_ORDER = (
    "track_id", "name", "artist", "spotify_preview_url", "spotify_id", "tags", "genre", "year", "duration_ms",
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness",
    "liveness", "valence", "tempo", "time_signature",
)  # fmt: skip
_MOODS = np.array([[0.45, 0.85, 0.35, 145], [0.4, 0.25, 0.25, 90], [0.7, 0.65, 0.75, 118]])


def demo_loader(seed: int) -> Loader:
    """Return a function that composes a song of the demo."""
    return lambda name: compose(int(name), seed)


def demo_splits(n_works: int) -> list[tuple[str, str]]:
    """Return (number, split) of the demo's songs: a quarter test, an eighth validation."""
    n_test, n_validation = max(2, n_works // 4), max(2, n_works // 8)
    names = ["test"] * n_test + ["validation"] * n_validation
    return [(str(i), names[i] if i < len(names) else "train") for i in range(n_works)]


def demo_catalog(versions: list[dict], n_tracks: int, seed: int) -> pd.DataFrame:
    """Return a catalogue in the Music Info format: every second version, and made-up tracks.

    Parameters
    ----------
    versions : list of dict
        Rows of a manifest.
    n_tracks : int
        Of the catalogue; at least the recordings in it.
    seed : int
        Of the made-up tracks, which are of three moods.
    """
    rng = np.random.default_rng(seed)
    recorded = versions[::2]
    n_filler = max(n_tracks - len(recorded), 0)
    mood = rng.choice(3, n_filler, p=[0.4, 0.25, 0.35])
    attributes = _MOODS[mood] + rng.normal(size=(n_filler, 4)) * np.array([0.12, 0.12, 0.15, 15])
    filler = [
        {
            "track_id": f"TRDEMO{i:06d}", "name": f"Track {i}", "artist": f"Band {i % 97}",
            "danceability": float(np.clip(a[0], 0, 1)), "energy": float(np.clip(a[1], 0, 1)),
            "valence": float(np.clip(a[2], 0, 1)), "key": int(rng.integers(12)),
            "mode": int(rng.random() < 0.6), "tempo": max(a[3], 40),
        }
        for i, a in enumerate(attributes)
    ]  # fmt: skip
    rows = [
        {
            "track_id": f"TRREC{i:06d}", "name": r["title"], "artist": r["artist"],
            "danceability": 0.4 + 0.3 * math.sin(i) ** 2, "energy": float(r["energy"]),
            "valence": 0.3 + 0.4 * int(r["mode"]), "key": int(r["key"]), "mode": int(r["mode"]),
            "tempo": float(r["tempo"]),
        }
        for i, r in enumerate(recorded)
    ]  # fmt: skip
    return pd.DataFrame([_catalog_row(row) for row in rows + filler], columns=list(_COLUMN_ORDER))


def _catalog_row(values: dict) -> dict:
    row = _CATALOG_COLUMNS | values | {"year": 2000 + len(values["name"]) % 20}
    rounded = ("danceability", "energy", "valence", "tempo")
    return row | {name: round(float(values[name]), 3) for name in rounded}


def add_broken_examples(out: Path) -> None:
    """Add a catalogue row with an impossible key, and a text file named .mp3."""
    broken = "TRBROKEN,Impossible,Nobody,,,,,,,0.5,0.5,17,,1,,,,,0.5,120,4\n"
    with (out / "catalog.csv").open("a") as file:
        file.write(broken)
    (out / "audio" / "broken.mp3").write_text("This is not an MP3 file.\n")
    with (out / "manifest.csv").open("a") as file:
        file.write("broken-v0,broken,Broken,Nobody,audio/broken.mp3,train,,,,,\n")


def add_query(out: Path, config: SamplingConfig) -> Path:
    """Render one more version of the first song to ``out``/query.wav, which no manifest names.

    It is what the demo's search looks up: its covers are in the lake, the file itself is not.
    """
    song = compose(0, config.seed)
    spec = sample_specs(song, replace(config, n_versions=config.n_versions + 1))[-1]
    path = out / "query.wav"
    with atomic_write(path) as part:
        sf.write(part, render(arrange(song, spec), spec, sample_rate=SAMPLE_RATE), SAMPLE_RATE)
    return path


def add_midi_songs(out: Path, seed: int, n: int = 4, first: int = 9000) -> None:
    """Write a few more songs as POP909 folders under ``out``/midi, for synthesize_versions."""
    for number in range(first, first + n):
        write_pop909(compose(number, seed), out / "midi" / f"{number}")
