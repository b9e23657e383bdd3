"""A thousand broken files: each becomes a row or a rejection with a reason, no job fails."""

import random
import struct
from collections import Counter

import numpy as np
import pytest
import soundfile as sf

from covers.audio import manifest, recordings_table, sandbox, spectrograms_table
from covers.audio.features import parameters

pytestmark = [pytest.mark.spark, pytest.mark.slow]
N = 1000


def waveform(seconds, channels=1, rate=16_000):
    t = np.arange(int(seconds * rate)) / rate
    tones = 0.3 * np.sin(2 * np.pi * np.outer(t, 220 * np.arange(1, channels + 1)))
    return tones + 0.01 * np.random.default_rng(0).standard_normal(tones.shape)


def wav_header(rate=16_000, channels=1, n_frames=8_000, bits=16):
    n_bytes = min(n_frames * channels * bits // 8, 2**32 - 50)
    block = (channels * bits // 8) % 2**16
    kind = struct.pack("<HHIIHH", 1, channels % 2**16, rate, rate * block % 2**32, block, bits)
    return b"RIFF" + struct.pack("<I", n_bytes + 36) + b"WAVEfmt " + struct.pack("<I", 16) + kind + (
        b"data" + struct.pack("<I", n_bytes)
    )  # fmt: skip


def mutated(rng, kind, data):
    """Return the bytes cut off, with bits or bytes of the header turned, with a hole, or as they are."""
    data = bytearray(data)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        for _ in range(rng.randrange(1, 200)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        for _ in range(rng.randrange(1, 30)):
            data[rng.randrange(64)] = rng.randrange(256)
    elif kind == 3:
        start = rng.randrange(len(data))
        del data[start : start + rng.randrange(1, 5_000)]
    return data


def hostile_files(folder):
    """Write N files: mutations of good ones in every format, made-up headers, bombs and links."""
    rng = random.Random(0)
    (folder / "good").mkdir()
    good = []
    for suffix in ("wav", "flac", "ogg", "mp3"):
        sf.write(folder / "good" / f"a.{suffix}", waveform(1.5, 2), 16_000)
        good.append((suffix, (folder / "good" / f"a.{suffix}").read_bytes()))
    tree = folder / "tree"
    tree.mkdir()
    special = {
        "frames.wav": wav_header(n_frames=2**31) + bytes(16_000),
        "rate0.wav": wav_header(rate=0) + bytes(16_000),
        "rate.wav": wav_header(rate=2**31) + bytes(16_000),
        "channels.wav": wav_header(channels=1024) + bytes(160_000),
        "bits.wav": wav_header(bits=13) + bytes(16_000),
        "nothing.wav": wav_header(n_frames=0),
        "empty.mp3": b"",
        "text.mp3": b"This is not music.\n" * 50,
        "zip.flac": b"PK\x03\x04" + bytes(500),
        "mp4.m4a": b"\x00\x00\x00\x1cftypM4A " + bytes(500),
        "flac.flac": b"fLaC" + bytes(500),
    }
    for name, data in special.items():
        (tree / name).write_bytes(data)
    with sf.SoundFile(
        tree / "bomb.flac", "w", 8_000, 1
    ) as bomb:  # 13 hours of silence in a small file
        for _ in range(13):
            bomb.write(np.zeros(3600 * 8_000, np.int16))
    (tree / "link.wav").symlink_to(folder / "good" / "a.wav")
    for i in range(N - len(special) - 2):
        suffix, data = rng.choice(good)
        suffix = rng.choice(["wav", "flac", "ogg", "mp3", "m4a"]) if i % 5 == 4 else suffix
        data = mutated(rng, i % 5, data)
        (tree / f"{i:04d}.{suffix}").write_bytes(data)
    return str(tree)


def test_a_thousand_hostile_files_give_a_thousand_outcomes(spark, tmp_path):
    listed = manifest.list_folder(hostile_files(tmp_path), "hostile", "flat")
    assert len(listed) == N
    outcomes = recordings_table.inspect_files(
        recordings_table.listed_rows(spark, listed), split="test", seed=0
    ).persist()
    found = {r["title"]: r["reason"] for r in outcomes.collect()}
    assert len(found) == outcomes.count() == N
    good = recordings_table.valid_rows(outcomes)
    decoded = spectrograms_table.decode_recordings(
        good, parameters("chroma"), sandbox.Limits()
    ).persist()
    assert sorted(r[0] for r in decoded.select("recording_id").collect()) == sorted(
        r[0] for r in good.select("recording_id").collect()
    )
    later = Counter(r["reason"] for r in decoded.select("reason").collect())
    assert (set(found.values()) | set(later)) - {None} <= set(sandbox.REASONS)
    assert later[None] > N / 3
    assert {name: found[name] for name in ("text", "empty", "link", "channels", "nothing", "bomb")} == {
        "text": "not_audio", "empty": "empty_file", "link": "outside_root",
        "channels": "too_many_channels", "nothing": "no_sound", "bomb": "too_long",
    }  # fmt: skip
    for name in ("rate0", "rate", "zip", "mp4", "flac"):
        assert found[name] in {"not_audio", "bad_sample_rate", "no_sound", "needs_ffmpeg"}, name
