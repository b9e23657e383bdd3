"""One query among many embeddings: exact, and by the index; how many of the nearest ten it finds.

    python -m benchmarks.search --rows 100000 400000
    python -m benchmarks.search --lake L --model MODEL

Without a lake the embeddings are made: eight recordings of each work, turned to some key, as far from one
another as the shipped network's versions are, and as wide as its: of the ten nearest, two are strangers that
are no nearer than thousands of others. A query is asked at three tempi,
as the shipped network's are. Times are of one query on one core, after start-up, the order by deviations included.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.measure import session, timed
from covers.io.lake import Lake
from covers.models import registry
from covers.models.registry import Network
from covers.retrieval import index as nearest
from covers.retrieval.reference_set import Known, known_to

N_ROLLS, WIDTH, VERSIONS, SPREAD = 12, 320, 8, 0.9
N_TEMPI = 3
CHUNK = 10_000


def made(n: int) -> np.ndarray:
    """Return unit embeddings (n, 12 * WIDTH), eight of a work, each at a key of its own."""
    rng = np.random.default_rng(0)
    x = np.empty((n, N_ROLLS * WIDTH), np.float32)
    for first in range(0, n, CHUNK):
        size = min(CHUNK, n - first)
        works = rng.standard_normal((-(-size // VERSIONS), N_ROLLS, WIDTH), np.float32)
        own = rng.standard_normal((size, N_ROLLS, WIDTH), np.float32)
        part = np.repeat(works, VERSIONS, axis=0)[:size] + SPREAD * own
        turned = np.stack([np.roll(v, rng.integers(N_ROLLS), axis=0) for v in part])
        x[first : first + size] = turned.reshape(size, -1)
        x[first : first + size] /= np.linalg.norm(x[first : first + size], axis=1, keepdims=True)
    return x


def of_lake(uri: str, model: str) -> np.ndarray:
    """Return the embeddings that a lake holds of a covernet, in random order."""
    lake = Lake(session(), uri)
    known = known_to(lake, registry.resolve(lake, model))
    return known.vectors[np.random.default_rng(0).permutation(len(known.vectors))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=int, default=[100_000], metavar="N")
    parser.add_argument("--lake", metavar="URI", help="take its embeddings instead of made ones")
    parser.add_argument("--model", default="latest", help="that they are of (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=50, metavar="N")
    asked = parser.parse_args()
    grid = Grid(
        "embeddings", "exact, s", "by index, s", "recall at 10", "at 5", "its work, in 10", "made in, s"
    )  # fmt: skip
    sets = [of_lake(asked.lake, asked.model)] if asked.lake else (made(n) for n in asked.rows)
    for x in sets:
        n = len(x)
        known = Known(
            Network("made", None, {"architecture": "covernet"}), np.arange(n).astype(str), x, {}
        )
        keys = known.keys
        started = time.perf_counter()
        index = nearest.learn(x, keys)
        learnt = time.perf_counter() - started
        at: dict[int, list[float]] = {5: [], 10: []}
        covers = []
        for row in np.random.default_rng(1).integers(n, size=asked.queries):
            d = nearest.distances_to(x[[row]], x, N_ROLLS)
            found, _ = index.nearest(x[[row]], x, keys, N_ROLLS, 10)
            for k, shares in at.items():
                shares.append(len(set(np.argsort(d)[:k]) & set(found[:k])) / k)
            first = row - row % VERSIONS
            if own := set(range(first, min(first + VERSIONS, n))) - {row}:
                covers.append(len(own & set(found)) / len(own))
        query = x[:N_TEMPI]  # any three will do for the time
        exact = timed(lambda q=query, of=known: of.nearest(q, 10, None), 3)
        fast = timed(lambda q=query, of=known, i=index: of.nearest(q, 10, i), 3)
        grid.add_row(
            f"{n:,}", f"{exact:.2f}", f"{fast:.2f}", f"{np.mean(at[10]):.3f}", f"{np.mean(at[5]):.3f}",
            "" if asked.lake else f"{np.mean(covers):.3f}", f"{learnt:.0f}",
        )  # fmt: skip
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
