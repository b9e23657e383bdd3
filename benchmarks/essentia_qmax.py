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


def distances_from(query: int, features_of_all: list[np.ndarray]) -> np.ndarray:
    """Return the distances of one recording's features to all others."""
    recurrence, align = standard.ChromaCrossSimilarity(), standard.CoverSongSimilarity()
    found = np.zeros(len(features_of_all))
    for other, frames in enumerate(features_of_all):
        if other != query:
            found[other] = align(recurrence(features_of_all[query], frames))[1]
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
        features_of_all = list(pool.map(features, paths))
        of_query = partial(distances_from, features_of_all=features_of_all)
        distances = np.array(list(pool.map(of_query, range(len(features_of_all)), chunksize=8)))
    stored = {f"x{i:04d}": x for i, x in enumerate(features_of_all)}
    np.savez(args.out, distances=distances, **stored)


if __name__ == "__main__":
    main()
