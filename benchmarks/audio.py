"""Decoding at scale: through Spark, in a plain loop on the same cores, and by librosa; memory; 1% new.

    python -m benchmarks.audio                    # on sound made here
    python -m benchmarks.audio --audio FOLDER     # on your own MP3s

All figures are of one run on the same files; what the machine does beside it hits all of them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import librosa
import numpy as np
import soundfile
import torch
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table as Grid

from lib.audio import recordings, sandbox, spectrograms
from lib.audio.representations import Parameters, parameters
from lib.io import files

CORES = 2
REPEATS = 3
SECONDS = 240


def made(folder: str, n: int, *, rate: int = 16_000, seconds: float = SECONDS) -> None:
    """Write MP3s of noise and gliding tones, in blocks of a second."""
    for i in range(n):
        rng = np.random.default_rng(i)
        hertz = 110 * 2 ** (rng.integers(0, 36, 4) / 12)
        with soundfile.SoundFile(f"{folder}/{i:04d}.mp3", "w", rate, 1) as file:
            for s in range(int(seconds)):
                t = s + np.arange(rate) / rate
                tones = sum(np.sin(2 * np.pi * f * (t + 0.01 * np.sin(t))) for f in hertz)
                file.write(0.1 * tones + 0.03 * rng.standard_normal(rate))


def plain(job: tuple[list[str], Parameters]) -> int:
    """Decode and pack files one after the other."""
    torch.set_num_threads(1)
    return sum(len(spectrograms.packed(path, job[1])) for path in job[0])


def loop(paths: list[str], p: Parameters, pool: multiprocessing.pool.Pool) -> None:
    pool.map(plain, [(paths[i::CORES], p) for i in range(CORES)], chunksize=1)


def by_librosa(path: str) -> None:
    y, rate = librosa.load(path, sr=16_000)
    np.abs(librosa.cqt(y, sr=rate, hop_length=4096, fmin=librosa.midi_to_hz(24), n_bins=84))


def median(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the median time [s] after one run to warm up."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def peak_of(path: str, p: Parameters) -> float:
    """Return what one file takes at most in a process of its own, beyond its start [MiB]."""

    def work(pipe: multiprocessing.connection.Connection) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        spectrograms.packed(path, p)
        pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)

    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=work, args=(theirs,))
    process.start()
    taken = ours.recv()
    process.join()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", metavar="FOLDER", help="MP3s to decode (default: made here)")
    parser.add_argument("--files", type=int, default=40, metavar="N", help="made files")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    os.environ["PYTHONPATH"] = os.getcwd()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        if not asked.audio:
            made(folder, asked.files)
        listed = recordings.from_folder(asked.audio or folder, "bench", "flat")
        paths = [x.uri for x in listed]
        seconds = sum(soundfile.info(path).duration for path in paths)
        rows.append(("audio", f"{seconds / 3600:.1f} h", f"{len(paths)} files"))
        spark = SparkSession.builder.master(f"local[{CORES}]").getOrCreate()
        spark.sparkContext.setLogLevel("ERROR")
        found = spark.createDataFrame(
            [(x.recording_id, x.uri, files.sha256_of(x.uri)) for x in listed],
            "recording_id string, uri string, sha256 string",
        ).cache()
        limits = sandbox.Limits()
        with multiprocessing.get_context("forkserver").Pool(CORES) as pool:
            for name in ("log_frequency", "chroma", "log_mel"):
                p = parameters(name)
                alone = median(lambda p=p: loop(paths, p, pool))
                spread = median(
                    lambda p=p: spectrograms.decode_recordings(found, p, limits)
                    .write.format("noop").mode("overwrite").save()
                )  # fmt: skip
                rows.append(
                    (f"{name}, plain loop on {CORES} cores", f"{seconds / alone / CORES:,.0f} x",
                     "of real time, a core")
                )  # fmt: skip
                rows.append(
                    (f"{name}, through Spark", f"{seconds / spread / CORES:,.0f} x",
                     f"{alone / spread:.0%} of the plain loop")
                )  # fmt: skip
                if name == "log_frequency":
                    few = paths[:3]
                    of_few = sum(soundfile.info(path).duration for path in few)
                    ours = median(lambda p=p, few=few: plain((few, p)))
                    theirs = median(lambda few=few: [by_librosa(path) for path in few], 1)
                    rows.append(
                        ("librosa load + cqt", f"{of_few / theirs:,.0f} x",
                         f"ours is {theirs / ours:.1f} times as fast")
                    )  # fmt: skip
        spark.stop()
    with tempfile.TemporaryDirectory() as folder:
        made(folder, 1, rate=16_000, seconds=36_000)
        for name in ("chroma", "log_mel"):
            for hours in (1, 10):
                p = parameters(name, duration_s=hours * 3600.0)
                rows.append(
                    (f"{name} of {hours} h", f"{peak_of(f'{folder}/0000.mp3', p):,.0f} MiB", "peak memory")
                )  # fmt: skip
    grid = Grid("what", "figure", "beside")
    for row in rows:
        grid.add_row(*row)
    Console(width=100).print(grid)


if __name__ == "__main__":
    main()
