"""Kill -9 a job at random moments, run it again, and compare with an uninterrupted run.

python -m benchmarks.killed --kills 20                        # the driver of decode_audio
python -m benchmarks.killed --job train_siamese --kills 10    # driver and ranks, then --resume
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import psutil
from deltalake import DeltaTable

from benchmarks.audio import made
from covers.training import checkpoints

ROOT = Path(__file__).resolve().parent.parent
KEY = ["recording_id", "representation", "parameters_id", "segment"]
METRICS = ("loss", "validation_loss", "validation_triplet_accuracy", "embedding_std")


def submit(lake: str, job: str, *argv: str) -> subprocess.Popen:
    return subprocess.Popen(
        [ROOT / "spark-submit.sh", job, "--lake", lake, *argv],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def kill(process: subprocess.Popen) -> None:
    """Kill a job and all that it started, at once."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        for each in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()


def content(lake: str) -> tuple[int, int, str]:
    """Return rows, different keys and a hash of all columns of spectrograms."""
    if not DeltaTable.is_deltatable(f"{lake}/spectrograms"):
        return 0, 0, ""
    table = DeltaTable(f"{lake}/spectrograms").to_pandas().sort_values(KEY)
    table["shape"] = table["shape"].map(tuple)
    digest = hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return len(table), len(table.drop_duplicates(KEY)), digest.hexdigest()[:16]


def newest_checkpoint(work: str) -> tuple[int, int, list[float]]:
    """Return epoch and step of the newest checkpoint, and the metrics of its last epoch."""
    found = [checkpoints.load_newest(folder) for folder in Path(work).glob("covernet-*")]
    if not found or found[0] is None:
        return 0, 0, []
    last = found[0].epochs[-1] if found[0].epochs else {}
    return found[0].epoch, found[0].step, [last[name] for name in METRICS if name in last]


def kill_repeatedly(
    start: Callable[[], subprocess.Popen], seconds: float, kills: int, seed: int
) -> Iterator[float]:
    """Start a job so many times and kill it at random moments; yield each moment afterwards."""
    rng = random.Random(seed)
    for _ in range(kills):
        moment = rng.uniform(0.3, 1.0) * seconds
        process = start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        kill(process)
        yield moment


def decoding(folder: str, args: argparse.Namespace) -> bool:
    """Return whether the decoded table is the uninterrupted run's after all kills."""
    (Path(folder) / "audio").mkdir()
    made(f"{folder}/audio", args.files)
    lakes = [f"{folder}/whole", f"{folder}/killed"]
    for lake in lakes:
        ingest = ("--data-set", "x", "--audio-root", f"{folder}/audio", "--layout", "flat")
        submit(lake, "ingest_recordings", *ingest).wait()
    started = time.monotonic()
    submit(lakes[0], "decode_audio").wait()
    seconds, wanted = time.monotonic() - started, content(lakes[0])
    print(f"uninterrupted: {seconds:.1f} s, (rows, keys, hash) {wanted}", flush=True)
    kills = kill_repeatedly(
        lambda: submit(lakes[1], "decode_audio"), seconds, args.kills, args.seed
    )
    for number, at in enumerate(kills, 1):
        print(f"kill {number} after {at:.1f} s: {content(lakes[1])}", flush=True)
        if content(lakes[1]) == wanted:  # nothing left to interrupt: start over
            for name in ("spectrograms", "runs"):
                shutil.rmtree(f"{lakes[1]}/{name}")
    code, found = submit(lakes[1], "decode_audio").wait(), content(lakes[1])
    print(f"after the last run (exit code {code}): {found}")
    return found == wanted


def training(folder: str, args: argparse.Namespace) -> bool:
    """Return whether the last epoch's metrics are the uninterrupted training's within 1e-6 after all kills."""
    lake = f"{folder}/lake"
    for job, *argv in (
        ("make_demo_data", "--out", f"{folder}/data", "--works", "24"),
        ("ingest_recordings", "--data-set", "demo", "--manifest", f"{folder}/data/manifest.csv"),
        ("decode_audio", "--representation", "chroma"),
        ("generate_triplets", "--strategy", "clique", "--per-anchor", "4"),
    ):
        submit(lake, job, *argv).wait()

    def start(name: str, *more: str) -> subprocess.Popen:
        settings = ("--epochs", "6", "--set", "checkpoint_steps=2", "--run-dir", f"{folder}/{name}")
        return submit(lake, "train_siamese", *settings, *more)

    started = time.monotonic()
    start("whole").wait()
    seconds, wanted = time.monotonic() - started, newest_checkpoint(f"{folder}/whole")
    print(f"uninterrupted: {seconds:.1f} s, (epoch, step, {METRICS}) {wanted}", flush=True)
    kills = kill_repeatedly(lambda: start("killed", "--resume"), seconds, args.kills, args.seed)
    for number, at in enumerate(kills, 1):
        found = newest_checkpoint(f"{folder}/killed")
        print(f"kill {number} after {at:.1f} s: epoch {found[0]}, step {found[1]}", flush=True)
        if found[0] == wanted[0]:  # nothing left to interrupt: compare, and start over
            print(f"  whole: {found}", flush=True)
            if not same(found, wanted):
                return False
            shutil.rmtree(f"{folder}/killed")
    code, found = start("killed", "--resume").wait(), newest_checkpoint(f"{folder}/killed")
    print(f"after the last run (exit code {code}): {found}")
    return same(found, wanted)


def same(found: tuple, wanted: tuple) -> bool:
    near = [abs(a - b) < 1e-6 for a, b in zip(found[2], wanted[2], strict=True)]
    return found[:2] == wanted[:2] and bool(near) and all(near)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=("decode_audio", "train_siamese"), default="decode_audio")
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--files", type=int, default=40, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    holds = decoding if args.job == "decode_audio" else training
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not holds(folder, args))


if __name__ == "__main__":
    main()
