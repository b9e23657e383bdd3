"""Versions as audio files with a manifest, or as rows of tables without audio.

*Conventions.* A version is named ``song_id-v0`` … as audio, ``song_id-n0`` … as symbolic features. A
manifest is a CSV that `ingest_recordings` reads, with the columns `MANIFEST`. The spec is stored as
JSON: `VersionSpec` with the key ``truth``, its `ground_truth`.
"""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import soundfile as sf

from covers.audio.extract import pack_tensor
from covers.audio.features import fold, parameters
from covers.io.files import atomic_write, sha256_of
from covers.synthesis.arrange import arrange
from covers.synthesis.song import Song
from covers.synthesis.symbolic_features import compute_log_frequency
from covers.synthesis.synthesizer import render
from covers.synthesis.version_spec import VersionSpec, ground_truth

SAMPLE_RATE = 16_000
MANIFEST = (
    "recording_id", "work_id", "title", "artist", "path", "split", "spec", "key", "mode", "tempo", "energy",
)  # fmt: skip
FORMATS = ((".mp3", None), (".flac", None), (".ogg", None), (".wav", "PCM_16"))  # suffix, subtype
SYMBOLIC = "notes"  # codec of a recording without audio, and scheme of its URI
_ARTISTS = ("The Paper Kites Club", "Nova & the Rays", "Old Harbour", "Ada Vale", "The Signal Men",
            "Mira Lund", "Copper Street", "Juno Park Band")  # fmt: skip


def write_audio(song: Song, spec: VersionSpec, number: int, out: Path, split: str) -> dict:
    """Render version ``number`` to a file under ``out``; return its manifest row.

    The format rotates with the number: MP3, FLAC, OGG, WAV.
    """
    waveform = render(arrange(song, spec), spec, sample_rate=SAMPLE_RATE)
    suffix, subtype = FORMATS[number % len(FORMATS)]
    inside = Path("audio") / song.song_id / f"{song.song_id}-v{number}{suffix}"
    (out / inside).parent.mkdir(parents=True, exist_ok=True)
    with (
        atomic_write(out / inside) as part,
        sf.SoundFile(part, "w", SAMPLE_RATE, 1, subtype=subtype) as file,
    ):
        # In blocks: libsndfile's Vorbis encoder puts its input on the stack, which overflows.
        for first in range(0, len(waveform), SAMPLE_RATE):
            file.write(waveform[first : first + SAMPLE_RATE])
    truth = ground_truth(song, spec)
    values = (
        f"{song.song_id}-v{number}", song.song_id, song.title, _ARTISTS[number % len(_ARTISTS)],
        str(inside), split, spec_json(song, spec),
        *(str(truth[name]) for name in ("key", "mode", "tempo", "energy")),
    )  # fmt: skip
    return dict(zip(MANIFEST, values, strict=True)) | {"reason": None}


def symbolic_row(song: Song, spec: VersionSpec, number: int, data_set: str, split: str) -> dict:
    """Return version ``number`` as chroma, without audio: columns of `recordings` and `spectrograms`."""
    p = parameters("chroma")
    row = pack_tensor(fold(compute_log_frequency(arrange(song, spec), spec)), p)
    data, stored_spec = row["tensor"], spec_json(song, spec)
    return row | {
        "recording_id": f"{song.song_id}-n{number}",
        "data_set": data_set, "work_id": song.song_id, "title": song.title,
        "artist": _ARTISTS[number % len(_ARTISTS)], "split": split,
        "uri": f"{SYMBOLIC}:{song.song_id}#{spec.seed}", "n_bytes": len(data), "codec": SYMBOLIC,
        "sha256": hashlib.sha256(f"{song.song_id}{stored_spec}".encode() + data).hexdigest(),
        "sample_rate": p.sample_rate, "channels": 1, "spec": stored_spec, "state": "present",
    }  # fmt: skip


def spec_json(song: Song, spec: VersionSpec) -> str:
    """Return the spec and the ground truth of a version as JSON."""
    return json.dumps(spec.to_dict() | {"truth": ground_truth(song, spec)}, sort_keys=True)


def write_manifest(rows: list[dict], out: Path) -> Path:
    """Write manifest.csv beside the audio, atomically; return its path."""
    path = out / "manifest.csv"
    with atomic_write(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, MANIFEST)
        writer.writeheader()
        writer.writerows(
            {n: r[n] for n in MANIFEST} for r in sorted(rows, key=lambda r: r["recording_id"])
        )
    return path


def manifest_hash(out: str) -> dict[str, str]:
    """Return the hash of the manifest in ``out``; ``missing`` if there is none."""
    path = Path(out).resolve() / "manifest.csv"
    return {"manifest": sha256_of(path) if path.is_file() else "missing"}
