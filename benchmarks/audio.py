"""Decoding at scale: through Spark, in a plain loop on the same cores, and by librosa; memory; 1% new.

    python -m benchmarks.audio                    # on sound made here
    python -m benchmarks.audio --audio FOLDER     # on your own MP3s

All figures are of one run on the same files; what the machine does beside it hits all of them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile

import librosa
import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import CORES, session, timed
from covers.audio import extract, manifest, sandbox, spectrograms_table
from covers.audio.features import Parameters, parameters
from covers.io import files

NAMES = ("log_frequency", "chroma", "log_mel")
SECONDS = 240
Row = tuple[str, str, str]


def made(folder: str, n: int, *, rate: int = 16_000) -> None:
    """Write MP3s of noise and gliding tones, in blocks of a second."""
    for i in range(n):
        rng = np.random.default_rng(i)
        hertz = 110 * 2 ** (rng.integers(0, 36, 4) / 12)
        with soundfile.SoundFile(f"{folder}/{i:04d}.mp3", "w", rate, 1) as file:
            for s in range(SECONDS):
                t = s + np.arange(rate) / rate
                tones = sum(np.sin(2 * np.pi * f * (t + 0.01 * np.sin(t))) for f in hertz)
                file.write(0.1 * tones + 0.03 * rng.standard_normal(rate))


def hours_long(path: str) -> None:
    """Write ten hours: a minute of noise and tones, again and again."""
    rng, t = np.random.default_rng(0), np.arange(60 * 16_000) / 16_000
    tones = sum(np.sin(2 * np.pi * hertz * t) for hertz in (110, 220, 447))
    minute = 0.1 * tones + 0.03 * rng.standard_normal(len(t))
    with soundfile.SoundFile(path, "w", 16_000, 1) as file:
        for _ in range(600):
            file.write(minute)


def plain(job: tuple[list[str], Parameters]) -> int:
    """Decode and pack files one after the other."""
    torch.set_num_threads(1)
    return sum(len(extract.extract_row(path, job[1])["tensor"]) for path in job[0])


def loop(paths: list[str], p: Parameters, pool: multiprocessing.pool.Pool) -> None:
    pool.map(plain, [(paths[i::CORES], p) for i in range(CORES)], chunksize=1)


def by_librosa(path: str, hop: int) -> None:
    y, rate = librosa.load(path, sr=16_000)
    np.abs(librosa.cqt(y, sr=rate, hop_length=hop, fmin=librosa.midi_to_hz(24), n_bins=84))


def peak_of(path: str, p: Parameters) -> float:
    """Return what one file takes at most in a process of its own, beyond its start [MiB]."""

    def work(pipe: multiprocessing.connection.Connection) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        extract.extract_row(path, p)
        pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=work, args=(theirs,))
    process.start()
    taken = ours.recv()
    process.join()
    return taken


def of_librosa(paths: list[str], repeats: int) -> list[Row]:
    """Compare log_frequency with librosa's constant-Q transform of the same files."""
    p = parameters("log_frequency")
    seconds = sum(soundfile.info(path).duration for path in paths)
    ours = timed(lambda: plain((paths, p)), repeats)
    rows = []
    for hop, note in ((512, "its default hop"), (4096, "a hop as long as ours")):
        theirs = timed(lambda hop=hop: [by_librosa(path, hop) for path in paths], 1)
        rows.append(
            (f"librosa load + cqt, {note}", f"{seconds / theirs:,.0f} x",
             f"ours is {theirs / ours:.1f} times as fast")
        )  # fmt: skip
    return rows


def of_spark(paths: list[str], names: list[str], repeats: int) -> list[Row]:
    """Compare decode_audio's work through Spark with a plain loop on the same cores."""
    seconds = sum(soundfile.info(path).duration for path in paths)
    spark = session()
    found = spark.createDataFrame(
        [(str(i), path, files.sha256_of(path)) for i, path in enumerate(paths)],
        "recording_id string, uri string, sha256 string",
    ).cache()
    rows = [("audio", f"{seconds / 3600:.1f} h", f"{len(paths)} files")]
    with multiprocessing.get_context("forkserver").Pool(CORES) as pool:
        for name in names:
            p = parameters(name)
            decoded = spectrograms_table.decode_recordings(found, p, sandbox.Limits())
            alone = timed(lambda p=p: loop(paths, p, pool), repeats)
            spread = timed(
                lambda d=decoded: d.write.format("noop").mode("overwrite").save(), repeats
            )
            rows += [
                (f"{name}, plain loop on {CORES} cores", f"{seconds / alone / CORES:,.0f} x",
                 "of real time, a core"),
                (f"{name}, through Spark", f"{seconds / spread / CORES:,.0f} x",
                 f"{alone / spread:.0%} of the plain loop"),
            ]  # fmt: skip
    spark.stop()
    return rows


def of_memory() -> list[Row]:
    """Tell the peak memory of a long file."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        hours_long(f"{folder}/long.flac")
        for name in ("chroma", "log_mel"):
            for hours in (1, 10):
                peak = peak_of(f"{folder}/long.flac", parameters(name, duration_s=hours * 3600.0))
                rows.append((f"{name} of {hours} h", f"{peak:,.0f} MiB", "peak memory"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", metavar="FOLDER", help="files to decode (default: made here)")
    parser.add_argument("--files", type=int, default=40, metavar="N", help="made files")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="after a warm-up")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, help="representations")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if not asked.audio:
            made(folder, asked.files)
        paths = [x.uri for x in manifest.list_folder(asked.audio or folder, "bench", "flat")]
        rows = of_spark(paths, asked.only, asked.repeats) + of_librosa(paths[:3], asked.repeats)
    if not asked.audio:  # memory does not depend on the files
        rows += of_memory()
    grid = Grid("what", "figure", "beside")
    for row in rows:
        grid.add_row(*row)
    Console(width=100).print(grid)


if __name__ == "__main__":
    main()
