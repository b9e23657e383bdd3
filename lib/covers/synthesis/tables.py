"""Version synthesis as a Spark job: one song a task, audio files and manifest rows out."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from covers.audio import extract
from covers.audio.features import fold, parameters
from covers.io.files import atomic_write, sha256_of
from covers.io.spark import map_rows
from covers.schemas.recordings import NOTES, RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS
from covers.synthesis import symbolic_features
from covers.synthesis.song import Song
from covers.synthesis.synthesizer import render
from covers.synthesis.versions import VersionSpec, arrange, sample_spec, truth_of

SAMPLE_RATE = 16_000
MANIFEST = (
    "recording_id",
    "work_id",
    "title",
    "artist",
    "path",
    "split",
    "spec",
    "key",
    "mode",
    "tempo",
    "energy",
)
_OUTCOME = T.StructType([T.StructField(n, T.StringType()) for n in (*MANIFEST, "reason")])
_WRITTEN = T.StructType(
    [
        *(T.StructField(f.name, f.dataType) for f in RECORDINGS.struct_type()),
        *(
            T.StructField(f.name, f.dataType)
            for f in SPECTROGRAMS.struct_type()
            if f.name not in RECORDINGS.column_names
        ),
        T.StructField("reason", T.StringType()),
    ]
)
FORMATS = ((".mp3", None), (".flac", None), (".ogg", None), (".wav", "PCM_16"))
_ARTISTS = ("The Paper Kites Club", "Nova & the Rays", "Old Harbour", "Ada Vale", "The Signal Men",
            "Mira Lund", "Copper Street", "Juno Park Band")  # fmt: skip


def write_version(song: Song, spec: VersionSpec, number: int, out: Path, split: str) -> dict:
    """Render one version to a file under ``out``; return its manifest row."""
    sound = render(arrange(song, spec), spec, sample_rate=SAMPLE_RATE)
    suffix, subtype = FORMATS[number % len(FORMATS)]
    inside = Path("audio") / song.song_id / f"{song.song_id}-v{number}{suffix}"
    (out / inside).parent.mkdir(parents=True, exist_ok=True)
    part = out / inside.with_name("part-" + inside.name)
    # In blocks: libsndfile's Vorbis encoder puts what it is given on the stack, and overflows it.
    with sf.SoundFile(part, "w", SAMPLE_RATE, 1, subtype=subtype) as file:
        for first in range(0, len(sound), SAMPLE_RATE):
            file.write(sound[first : first + SAMPLE_RATE])
    part.rename(out / inside)
    truth = truth_of(song, spec)
    values = (
        f"{song.song_id}-v{number}", song.song_id, song.title, _ARTISTS[number % len(_ARTISTS)],
        str(inside), split, described(song, spec),
        *(str(truth[name]) for name in ("key", "mode", "tempo", "energy")),
    )  # fmt: skip
    return dict(zip(MANIFEST, values, strict=True)) | {"reason": None}


def described(song: Song, spec: VersionSpec) -> str:
    """Return the spec as JSON, with what it makes true of the version."""
    return json.dumps(spec.to_dict() | {"truth": truth_of(song, spec)}, sort_keys=True)


def written_version(song: Song, spec: VersionSpec, number: int, data_set: str, split: str) -> dict:
    """Write one version straight as chroma: the columns of its recording and of its spectrogram."""
    p = parameters("chroma")
    (row,) = extract.pack_segments(
        fold(symbolic_features.log_frequency(arrange(song, spec), spec)), p
    )
    data, said = row["tensor"], described(song, spec)
    return row | {
        "recording_id": f"{song.song_id}-n{number}",
        "data_set": data_set, "work_id": song.song_id, "title": song.title,
        "artist": _ARTISTS[number % len(_ARTISTS)], "split": split,
        "uri": f"notes:{song.song_id}#{spec.seed}", "n_bytes": len(data), "codec": NOTES,
        "sha256": hashlib.sha256(f"{song.song_id}{said}".encode() + data).hexdigest(),
        "sample_rate": p.sample_rate, "channels": 1, "spec": said, "state": "present",
    }  # fmt: skip


def synthesize(
    spark: SparkSession, load: Callable[[str], Song], names: list[tuple[str, str]], out: Path, *,
    n_versions: int, max_phrases: int | None, seed: int, fonts: tuple[str, ...] = (),
    changed: Callable[[VersionSpec], VersionSpec] = lambda spec: spec,
) -> DataFrame:  # fmt: skip
    """Make the versions of many songs as audio; ``names`` are (song, split), specs are ``changed``.

    Rows as in a manifest, and reason; a song that cannot be read becomes one row with a reason.
    """

    def versions(song: Song, split: str) -> list[dict]:
        specs = map(changed, _specs(song, n_versions, max_phrases, seed, fonts))
        return [write_version(song, spec, v, out, split) for v, spec in enumerate(specs)]

    return _of_songs(spark, load, names, versions, _OUTCOME)


def write_directly(
    spark: SparkSession, load: Callable[[str], Song], names: list[tuple[str, str]], data_set: str, *,
    n_versions: int, max_phrases: int | None, seed: int,
) -> DataFrame:  # fmt: skip
    """Make the versions of many songs as chroma; columns of `recordings` and `spectrograms`, reason."""

    def versions(song: Song, split: str) -> list[dict]:
        specs = _specs(song, n_versions, max_phrases, seed)
        return [written_version(song, spec, v, data_set, split) for v, spec in enumerate(specs)]

    return _of_songs(spark, load, names, versions, _WRITTEN)


def _specs(
    song: Song, n: int, max_phrases: int | None, seed: int, fonts: tuple[str, ...] = ()
) -> list[VersionSpec]:
    return [sample_spec(song, seed + v, max_phrases=max_phrases, fonts=fonts) for v in range(n)]


def _of_songs(
    spark: SparkSession,
    load: Callable[[str], Song],
    names: list[tuple[str, str]],
    versions: Callable[[Song, str], list[dict]],
    schema: T.StructType,
) -> DataFrame:
    def rows(row: dict) -> list[dict]:
        try:
            return versions(load(row["name"]), row["split"])
        except ValueError as error:
            return [{"work_id": row["name"], "reason": str(error)}]

    listed = spark.createDataFrame(names, "name string, split string")
    return map_rows(listed, rows, schema, partition_by="name")


def write_manifest(rows: list[dict], out: Path) -> Path:
    """Write manifest.csv beside the audio, whole or not at all."""
    path = out / "manifest.csv"
    with atomic_write(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, MANIFEST)
        writer.writeheader()
        writer.writerows(
            {n: r[n] for n in MANIFEST} for r in sorted(rows, key=lambda r: r["recording_id"])
        )
    return path


def demo_splits(n_works: int) -> list[tuple[str, str]]:
    """Return (number, split) of the demo's songs: a quarter test, an eighth validation."""
    n_test, n_validation = max(2, n_works // 4), max(2, n_works // 8)
    names = ["test"] * n_test + ["validation"] * n_validation
    return [(str(i), names[i] if i < len(names) else "train") for i in range(n_works)]


def demo_catalog(rows: list[dict], n_tracks: int, seed: int) -> pd.DataFrame:
    """Return a catalogue in the Music Info format: some of the recordings, and made-up tracks."""
    rng = np.random.default_rng(seed)
    known = [r for i, r in enumerate(rows) if i % 2 == 0]
    n_filler = max(n_tracks - len(known), 0)
    mood = rng.choice(3, n_filler, p=[0.4, 0.25, 0.35])
    centre = np.array([[0.45, 0.85, 0.35, 145], [0.4, 0.25, 0.25, 90], [0.7, 0.65, 0.75, 118]])[
        mood
    ]
    attributes = centre + rng.normal(size=(n_filler, 4)) * np.array([0.12, 0.12, 0.15, 15])
    filler = [
        _catalog_row(
            f"TRDEMO{i:06d}",
            f"Track {i}",
            f"Band {i % 97}",
            float(np.clip(a[0], 0, 1)),
            float(np.clip(a[1], 0, 1)),
            float(np.clip(a[2], 0, 1)),
            int(rng.integers(12)),
            int(rng.random() < 0.6),
            max(a[3], 40),
        )
        for i, a in enumerate(attributes)
    ]
    made = [
        _catalog_row(
            f"TRREC{i:06d}",
            r["title"],
            r["artist"],
            0.4 + 0.3 * math.sin(i) ** 2,
            float(r["energy"]),
            0.3 + 0.4 * int(r["mode"]),
            int(r["key"]),
            int(r["mode"]),
            float(r["tempo"]),
        )
        for i, r in enumerate(known)
    ]
    return pd.DataFrame(made + filler)


def _catalog_row(
    track_id: str,
    name: str,
    artist: str,
    danceability: float,
    energy: float,
    valence: float,
    key: int,
    mode: int,
    tempo: float,
) -> dict:
    return {
        "track_id": track_id, "name": name, "artist": artist, "spotify_preview_url": "", "spotify_id": "",
        "tags": "demo, made up", "genre": "", "year": 2000 + len(name) % 20, "duration_ms": 180000,
        "danceability": round(float(danceability), 3), "energy": round(float(energy), 3), "key": key,
        "loudness": -8.0, "mode": mode, "speechiness": 0.05, "acousticness": 0.2, "instrumentalness": 0.0,
        "liveness": 0.1, "valence": round(float(valence), 3), "tempo": round(float(tempo), 3),
        "time_signature": 4,
    }  # fmt: skip


def made_and_refused(rows: list) -> tuple[list[dict], list[dict]]:
    """Return manifest rows, and (song, reason) of the songs that could not be read."""
    everything = [r.asDict() for r in rows]
    refused = [{"song": r["work_id"], "reason": r["reason"]} for r in everything if r["reason"]]
    return [r for r in everything if not r["reason"]], refused


def manifest_hash(out: str) -> dict[str, str]:
    """Return the hash of the manifest in ``out``, or that there is none."""
    path = Path(out).resolve() / "manifest.csv"
    return {"manifest": sha256_of(path) if path.is_file() else "missing"}
