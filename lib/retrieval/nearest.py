"""The nearest of many embeddings: exact up to a few 100,000, by a faiss index beyond.

*Conventions.* Embeddings are unit vectors, flat; a query is compared at its best roll, as
`lib.training.distances` does. Rolling the query by -s is rolling the others by s: twelve queries,
not twelve copies of the table. What the index finds is ranked anew by exact distances.

References
----------
Jégou, Douze, Schmid. "Product quantization for nearest neighbor search." TPAMI 2011 (inverted
lists). Douze et al. "The faiss library." 2024.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import faiss
import numpy as np
import pandas as pd

from lib.io import files

EXACT_UP_TO = 300_000
PROBED = 12  # lists looked into, of a hundred
CANDIDATES = 20  # of each roll, for every answer asked for
GROWN_TWICE = 2.0  # times the rows that the lists were drawn for: then they are drawn anew


def rolls_of(query: np.ndarray, n_rolls: int) -> np.ndarray:
    """Return (n_rolls, d) rolls of one embedding (d,)."""
    rows = query.reshape(n_rolls, -1)
    return np.stack([np.roll(rows, s, axis=0).ravel() for s in range(n_rolls)])


def distances_to(query: np.ndarray, vectors: np.ndarray, n_rolls: int) -> np.ndarray:
    """Return (m,) distances of one embedding (d,) to many (m, d), each at its best roll."""
    similarity = (vectors @ rolls_of(query, n_rolls).T).max(axis=1)
    return np.sqrt(np.maximum(2 - 2 * similarity, 0))


@dataclass
class Index:
    """Inverted lists over embeddings in 8 bits, and which embedding each entry was made of."""

    lists: faiss.IndexIVFScalarQuantizer
    keys: np.ndarray  # (n,) uint64: of entry i, `keys_of` its id and vector
    n_drawn: int  # rows that the lists were drawn for

    def nearest(
        self, query: np.ndarray, vectors: np.ndarray, keys: np.ndarray, n_rolls: int, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, distances) of about the k nearest of ``vectors``, nearest first.

        Entries that ``keys`` no longer has are passed over.
        """
        _, found = self.lists.search(rolls_of(query, n_rolls), k * CANDIDATES)
        rows = pd.Index(keys).get_indexer(self.keys[np.unique(found[found >= 0])])
        rows = rows[rows >= 0]
        d = distances_to(query, vectors[rows], n_rolls)
        order = np.argsort(d, kind="stable")[:k]
        return rows[order], d[order]

    def grow(self, vectors: np.ndarray, keys: np.ndarray) -> int:
        """Add the embeddings that are not in it; return how many."""
        new = ~np.isin(keys, self.keys)
        if new.any():
            self.lists.add(np.ascontiguousarray(vectors[new]))
            self.keys = np.concatenate([self.keys, keys[new]])
        return int(new.sum())


def keys_of(ids: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return a number of each id and vector: another vector of the same id has another."""
    bits = np.ascontiguousarray(vectors, np.float32).view(np.uint32).astype(np.uint64)
    odd = np.random.default_rng(0).integers(1 << 62, size=vectors.shape[1], dtype=np.uint64) * 2 + 1
    return pd.util.hash_array(np.asarray(ids, object)) ^ (bits * odd).sum(axis=1, dtype=np.uint64)


def draw(vectors: np.ndarray, keys: np.ndarray) -> Index:
    """Return an index of these embeddings: lists by k-means on a sample, in 8 bits."""
    n, d = vectors.shape
    n_lists = max(1, min(int(4 * n**0.5), n // 40))
    lists = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(d), d, n_lists, faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )  # fmt: skip
    sample = np.random.default_rng(0).permutation(n)[: 40 * n_lists]
    lists.train(np.ascontiguousarray(vectors[sample]))
    lists.nprobe = max(1, -(-n_lists * PROBED // 100))
    index = Index(lists, np.empty(0, np.uint64), n)
    index.grow(vectors, keys)
    return index


def kept(uri: str, vectors: np.ndarray, keys: np.ndarray) -> Index:
    """Return the index kept at ``uri``, grown to these embeddings; drawn anew where it must be."""
    index = load(uri)
    if (
        index is None
        or index.lists.d != vectors.shape[1]
        or len(keys) > GROWN_TWICE * index.n_drawn
    ):
        index = draw(vectors, keys)
    elif not index.grow(vectors, keys):
        return index
    save(index, uri)
    return index


def save(index: Index, uri: str) -> None:
    """Write the index as one file, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.npz"
        bits = faiss.serialize_index(index.lists)
        np.savez(path, lists=bits, keys=index.keys, n_drawn=index.n_drawn)
        files.put(path, uri)


def load(uri: str) -> Index | None:
    """Return the index of a file; None where there is none."""
    system, path = files.filesystem(uri)
    if system.get_file_info(path).type.name != "File":
        return None
    with files.local(uri) as local, np.load(local) as told:
        lists = cast(faiss.IndexIVFScalarQuantizer, faiss.deserialize_index(told["lists"]))
        return Index(lists, told["keys"], int(told["n_drawn"]))
