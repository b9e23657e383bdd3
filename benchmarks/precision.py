"""What storing tensors in fewer bits costs: bytes an hour, and the change of distances.

python -m benchmarks.precision                  # on songs composed here
python -m benchmarks.precision --audio FOLDER   # on your own files
"""

from __future__ import annotations

import argparse
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table as Grid

from covers.audio import extract, manifest, quantize
from covers.audio.features import parameters
from covers.models.model import EmbeddingModel, load_pretrained, untrained
from covers.retrieval import pairs
from covers.retrieval.baselines import fourier2d
from covers.retrieval.embedding import crop_frames, embed_track
from covers.synthesis.composer import compose
from covers.synthesis.version_files import write_audio
from covers.synthesis.version_spec import sample_spec


def float16(x: np.ndarray) -> tuple[np.ndarray, int]:
    stored = x.astype(np.float16)
    return stored.astype(np.float32), len(zlib.compress(stored.tobytes(), 6))


def bits(x: np.ndarray, n: int) -> tuple[np.ndarray, int]:
    """Store in n <= 8 bits, one a byte."""
    data, scale, offset = quantize.quantize(x, levels=2**n)
    return quantize.dequantize(data, x.shape, scale, offset), len(data)


WAYS = {
    "float32, not compressed": lambda x: (x, x.nbytes),
    "float16, zlib": float16,
    "8 bits, zlib": lambda x: bits(x, 8),
    "6 bits, zlib": lambda x: bits(x, 6),
    "5 bits, zlib": lambda x: bits(x, 5),
    "4 bits, zlib": lambda x: bits(x, 4),
}


MEASURES = ("covernet", "2-D Fourier", "CNN", "mean band")


def track_distances(model: EmbeddingModel, tensors: list[np.ndarray], rate: float) -> np.ndarray:
    """Return distances by track embeddings at the recordings' own tempo."""
    size = crop_frames(model, rate)
    tracks = np.stack([embed_track(model.module, x, crop_frames=size) for x in tensors])
    return pairs.track_distances(tracks, model.n_transpositions)


def chroma_distances(chromas: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return distances by the pretrained network and by the 2-D Fourier magnitude."""
    rate = parameters("chroma").frames_per_second
    found = track_distances(load_pretrained(), chromas, rate)
    return {"covernet": found, "2-D Fourier": fourier2d.distances(chromas)}


def log_mel_distances(mels: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return distances by the write-up's CNN, untrained, and by the mean of each band."""
    found = track_distances(untrained("cnn"), mels, parameters("log_mel").frames_per_second)
    means = np.stack([x.mean(axis=1) for x in mels])
    return {"CNN": found, "mean band": np.linalg.norm(means[:, None] - means[None], axis=-1)}


def change(found: np.ndarray, exact: np.ndarray) -> str:
    """Return the largest relative change of a distance, and of how many recordings the nearest changed."""
    is_pair = ~np.eye(len(exact), dtype=bool)
    largest = np.max(np.abs(found - exact)[is_pair] / exact[is_pair])
    nearest = [np.where(is_pair, d, np.inf).argmin(axis=1) for d in (found, exact)]
    return f"{largest:.2%}, {int((nearest[0] != nearest[1]).sum())} of {len(exact)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", metavar="FOLDER", help="files (default: 10 songs, 3 versions)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if not args.audio:
            for number in range(10):
                song = compose(number, 0)
                for v in range(3):
                    write_audio(song, sample_spec(song, v), v, Path(folder), "test")
        paths = [x.uri for x in manifest.list_folder(args.audio or folder, "x", "flat")]
        grid = Grid("tensors", "stored as", "MB an hour", *MEASURES)
        for name in ("chroma", "log_mel"):
            p = parameters(name)
            exact = [extract.compute_tensor(path, p) for path in paths]
            hours = sum(x.shape[1] for x in exact) / p.frames_per_second / 3600
            by = chroma_distances if name == "chroma" else log_mel_distances
            right = by(exact)
            for way, store in WAYS.items():
                kept, sizes = zip(*map(store, exact), strict=True)
                now = by(list(kept))
                changes = {k: change(now[k], right[k]) for k in right}
                grid.add_row(
                    name, way, f"{sum(sizes) / 1e6 / hours:.2f}",
                    *(changes.get(k, "") for k in MEASURES),
                )  # fmt: skip
    console = Console(width=110)
    console.print(grid)
    console.print(
        "largest relative change of a distance; of how many recordings the nearest changed"
    )


if __name__ == "__main__":
    main()
