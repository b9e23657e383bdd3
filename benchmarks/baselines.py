"""Our Qmax beside essentia's on the same recordings; where they differ, by features or by algorithm.

ess/bin/python benchmarks/essentia_qmax.py --manifest M --audio-root D --out essentia.npz   # see there
python -m benchmarks.baselines --manifest M --audio-root D --essentia essentia.npz
"""

from __future__ import annotations

import argparse
import csv
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import CORES
from covers.audio import extract
from covers.audio.features import parameters
from covers.evaluation.bootstrap import bootstrap, paired_difference
from covers.evaluation.metrics import per_query, queries
from covers.retrieval.baselines import fourier2d, qmax


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", required=True, metavar="CSV")
    parser.add_argument("--audio-root", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--essentia", required=True, metavar="NPZ")
    args = parser.parse_args()
    with open(args.manifest, newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [str(args.audio_root / row["path"]) for row in rows]
    works = np.array([row["work_id"] for row in rows])
    with ProcessPoolExecutor(CORES) as pool:
        chromas = list(pool.map(partial(extract.compute_tensor, p=parameters("chroma")), paths))
    with np.load(args.essentia) as stored:
        essentia = stored["distances"]
        frames = [
            stored[name].astype(float) for name in sorted(stored.files) if name != "distances"
        ]
    distances = {
        "Qmax, essentia's": essentia,
        "Qmax, essentia's, mean of both orders": (essentia + essentia.T) / 2,
        "Qmax, ours": qmax.distances(chromas),
        "our Qmax of essentia's HPCP": qmax.frame_distances(frames),
        "2-D Fourier, ours": fourier2d.distances(chromas),
    }
    first: np.ndarray | None = None
    grid = Grid(f"{len(rows)} recordings", "MAP (95%)", "triplet accuracy", "MAP minus essentia's")
    for title, found in distances.items():
        per_metric = per_query(found, works)
        first = per_metric["map"] if first is None else first
        of_works = works[queries(works)]
        value = bootstrap(per_metric["map"], of_works, seed=1)
        lead = paired_difference(per_metric["map"], first, of_works, seed=1)
        grid.add_row(
            title,
            f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})",
            f"{per_metric['triplet_accuracy'].mean():.3f}",
            f"{lead.value:+.3f} ({lead.low:+.3f} to {lead.high:+.3f})",
        )
    Console(width=120).print(grid)


if __name__ == "__main__":
    main()
