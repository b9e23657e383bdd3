"""One query among many embeddings: exact, and by the index; how many of the nearest ten it finds.

    python -m benchmarks.search --rows 100000 400000
    python -m benchmarks.search --lake L --model MODEL

Without a lake the embeddings are made: eight recordings of each work, each in some key, at the distances of
the pretrained network's versions, and as wide as its: of the ten nearest, two are non-covers that are no
nearer than thousands of others. A query has three tempo factors, as the pretrained network's. Times are of
the first stage for one query on one core, after start-up, S-norm included.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import session, timed
from covers.io.lake import Lake
from covers.models import registry
from covers.models.model import untrained
from covers.retrieval import index as nearest
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.reference_set import ReferenceSet
from covers.retrieval.search_tables import read_references

N_TRANSPOSITIONS, WIDTH, VERSIONS, NOISE = 12, 320, 8, 0.9
N_TEMPI = 3
CHUNK = 10_000


def make_embeddings(n: int) -> np.ndarray:
    """Return unit embeddings (n, 12 * WIDTH), eight of a work, each at a key of its own."""
    rng = np.random.default_rng(0)
    x = np.empty((n, N_TRANSPOSITIONS * WIDTH), np.float32)
    for first in range(0, n, CHUNK):
        size = min(CHUNK, n - first)
        works = rng.standard_normal((-(-size // VERSIONS), N_TRANSPOSITIONS, WIDTH), np.float32)
        own = rng.standard_normal((size, N_TRANSPOSITIONS, WIDTH), np.float32)
        part = np.repeat(works, VERSIONS, axis=0)[:size] + NOISE * own
        rolled = np.stack([np.roll(v, rng.integers(N_TRANSPOSITIONS), axis=0) for v in part])
        x[first : first + size] = rolled.reshape(size, -1)
        x[first : first + size] /= np.linalg.norm(x[first : first + size], axis=1, keepdims=True)
    return x


def read_embeddings(uri: str, model: str) -> np.ndarray:
    """Return the track embeddings that a lake holds of a CoverNet, in random order."""
    lake = Lake(session(), uri)
    references, _ = read_references(lake, registry.resolve(lake, model))
    return references.tracks[np.random.default_rng(0).permutation(len(references))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=int, default=[100_000], metavar="N")
    parser.add_argument("--lake", metavar="URI", help="take its embeddings instead of made ones")
    parser.add_argument("--model", default="latest", help="that they are of (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=50, metavar="N")
    args = parser.parse_args()
    grid = Grid(
        "embeddings", "exact, s", "by index, s", "recall at 10", "at 5", "its work, in 10", "built in, s"
    )  # fmt: skip
    sets = (
        [read_embeddings(args.lake, args.model)]
        if args.lake
        else (make_embeddings(n) for n in args.rows)
    )
    for x in sets:
        n = len(x)
        references = ReferenceSet(untrained(), np.arange(n).astype(str), x, {})
        keys = references.keys
        started = time.perf_counter()
        index = nearest.train(x, keys)
        training_s = time.perf_counter() - started
        recalls: dict[int, list[float]] = {5: [], 10: []}
        covers = []
        for row in np.random.default_rng(1).integers(n, size=args.queries):
            d = nearest.distances_to(x[[row]], x, N_TRANSPOSITIONS)
            found, _ = index.nearest(x[[row]], x, keys, N_TRANSPOSITIONS, 10)
            for k, shares in recalls.items():
                shares.append(len(set(np.argsort(d)[:k]) & set(found[:k])) / k)
            first = row - row % VERSIONS
            if own := set(range(first, min(first + VERSIONS, n))) - {row}:
                covers.append(len(own & set(found)) / len(own))
        query = TrackEmbeddings(x[:N_TEMPI], N_TRANSPOSITIONS)  # any three will do for the time
        exact = timed(lambda q=query, of=references: of.candidates(q, 10), 3)
        indexed = replace(references, nearest_index=index)
        fast = timed(lambda q=query, of=indexed: of.candidates(q, 10), 3)
        grid.add_row(
            f"{n:,}", f"{exact:.2f}", f"{fast:.2f}", f"{np.mean(recalls[10]):.3f}", f"{np.mean(recalls[5]):.3f}",
            "" if args.lake else f"{np.mean(covers):.3f}", f"{training_s:.0f}",
        )  # fmt: skip
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
