"""Qmax as essentia computes it, for `benchmarks.baselines`; run by a Python that has essentia (AGPL), not ours.

python3 -m venv ess && ess/bin/pip install essentia
ess/bin/python benchmarks/essentia_qmax.py --manifest covers.csv --audio-root covers --out essentia.npz

HPCP of 12 bins, the mean of ten frames (0.464 s), ChromaCrossSimilarity and CoverSongSimilarity with their
default settings: stacks of 9, percentile .095, the best transposition, the root of a length divided by Qmax.
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import essentia
import numpy as np
from essentia import standard
from essentia.pytools.spectral import hpcpgram

AVERAGED = 10  # HPCP frames of 2,048 samples at 44,100 Hz
essentia.log.infoActive = essentia.log.warningActive = False


def features(path: str) -> np.ndarray:
    """Return (T, 12) float32 frames of 0.464 s."""
    frames = hpcpgram(standard.MonoLoader(filename=path, sampleRate=44_100)())
    n = len(frames) // AVERAGED * AVERAGED
    return frames[:n].reshape(-1, AVERAGED, 12).mean(axis=1).astype(np.float32)


def distances_from(query: int, known: list[np.ndarray]) -> np.ndarray:
    """Return the distances of one recording's features to all others."""
    across, along = standard.ChromaCrossSimilarity(), standard.CoverSongSimilarity()
    found = np.zeros(len(known))
    for other, frames in enumerate(known):
        if other != query:
            found[other] = along(across(known[query], frames))[1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", required=True, metavar="CSV")
    parser.add_argument("--audio-root", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--out", required=True, metavar="NPZ")
    args = parser.parse_args()
    with open(args.manifest, newline="") as file:
        paths = [str(args.audio_root / row["path"]) for row in csv.DictReader(file)]
    with ProcessPoolExecutor() as pool:
        known = list(pool.map(features, paths))
        distances = np.array(
            list(pool.map(partial(distances_from, known=known), range(len(known)), chunksize=8))
        )
    held = {f"x{i:04d}": x for i, x in enumerate(known)}
    np.savez(args.out, distances=distances, **held)


if __name__ == "__main__":
    main()
