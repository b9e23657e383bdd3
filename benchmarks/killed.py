"""Kill -9 the driver of decode_audio at random moments, run it again, and compare with an unbroken run.

python -m benchmarks.killed --kills 20
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from deltalake import DeltaTable

from benchmarks.audio import made

ROOT = Path(__file__).resolve().parent.parent
KEY = ["recording_id", "representation", "parameters_id", "segment"]


def submit(lake: str, job: str, *argv: str) -> subprocess.Popen:
    return subprocess.Popen(
        [ROOT / "spark-submit.sh", job, "--lake", lake, *argv],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def content(lake: str) -> tuple[int, int, str]:
    """Return rows, different keys and a hash of all columns of spectrograms."""
    if not DeltaTable.is_deltatable(f"{lake}/spectrograms"):
        return 0, 0, ""
    table = DeltaTable(f"{lake}/spectrograms").to_pandas().sort_values(KEY)
    table["shape"] = table["shape"].map(tuple)
    digest = hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    return len(table), len(table.drop_duplicates(KEY)), digest.hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--files", type=int, default=40, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    asked = parser.parse_args()
    rng = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "audio").mkdir()
        made(f"{folder}/audio", asked.files)
        lakes = [f"{folder}/whole", f"{folder}/killed"]
        for lake in lakes:
            ingest = ("--data-set", "x", "--audio-root", f"{folder}/audio", "--layout", "flat")
            submit(lake, "ingest_recordings", *ingest).wait()
        started = time.monotonic()
        submit(lakes[0], "decode_audio").wait()
        seconds = time.monotonic() - started
        wanted = content(lakes[0])
        print(f"unbroken: {seconds:.1f} s, (rows, keys, hash) {wanted}", flush=True)
        for number in range(1, asked.kills + 1):
            at = rng.uniform(0.3, 1.0) * seconds
            process = submit(lakes[1], "decode_audio")
            try:
                process.wait(at)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            print(f"kill {number} after {at:.1f} s: {content(lakes[1])}", flush=True)
            if content(lakes[1]) == wanted:  # nothing left to interrupt: start over
                for name in ("spectrograms", "runs"):
                    subprocess.run(["rm", "-rf", f"{lakes[1]}/{name}"], check=True)
        code = submit(lakes[1], "decode_audio").wait()
        found = content(lakes[1])
        print(f"after the last run (exit code {code}): {found}")
        sys.exit(found != wanted)


if __name__ == "__main__":
    main()
