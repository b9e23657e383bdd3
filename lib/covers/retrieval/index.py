"""The nearest of many embeddings: exact up to a few 100,000, by a faiss index beyond.

*Conventions.* Embeddings are unit vectors, flat; a query, one or more of them (k, d), is compared at its best
roll, as `covers.models.similarity` does. Rolling the query by -s is rolling the others by s: twelve
queries, not twelve copies of the table. What the index finds is ranked anew by exact distances.

References
----------
Jégou, Douze, Schmid. "Product quantization for nearest neighbor search." TPAMI 2011. André, Kermarrec,
Le Scouarnec. "Accelerated nearest neighbor search with Quick ADC." ICMR 2017. Douze et al. "The faiss
library." 2024.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import faiss
import numpy as np
import pandas as pd
import torch

from covers.io import files
from covers.models.similarity import distance, similarity_matrix
from covers.retrieval.scoring import rolled

EXACT_UP_TO = 300_000
BITS = 4  # of a code, for as many numbers together as make `MOST_CODES` of a vector
MOST_CODES = 576  # faiss adds them up in 16 bits: of twice as many the sums are noise
CANDIDATES = 60  # of each roll, for every answer asked for
SAMPLE = 20_000  # embeddings that the codes are learnt from
OUTGROWN = 4.0  # times the rows that the codes were learnt for: then they are learnt anew


def distances_to(query: np.ndarray, vectors: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return (m,) distances of a query (k, d), at the best of k tempo_factors, to many (m, d)."""
    x = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
    return distance(
        similarity_matrix(x, torch.from_numpy(query), n_transpositions).amax(dim=1)
    ).numpy()


@dataclass
class Index:
    """Short codes of embeddings, all compared with a query, and what each was made of."""

    codes: faiss.IndexPQFastScan
    keys: np.ndarray  # (n,) uint64: of entry i, `keys_of` its id and vector
    n_learnt: int  # rows that the codes were learnt for

    def nearest(
        self,
        query: np.ndarray,
        vectors: np.ndarray,
        keys: np.ndarray,
        n_transpositions: int,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, distances) of about the k nearest of ``vectors``, nearest first.

        Entries that ``keys`` no longer has are passed over.
        """
        rolls = rolled(query, n_transpositions).reshape(-1, query.shape[1])
        _, found = self.codes.search(rolls, k * CANDIDATES)
        rows = pd.Index(keys).get_indexer(self.keys[np.unique(found[found >= 0])])
        rows = rows[rows >= 0]
        d = distances_to(query, vectors[rows], n_transpositions)
        order = np.argsort(d, kind="stable")[:k]
        return rows[order], d[order]

    def grow(self, vectors: np.ndarray, keys: np.ndarray) -> int:
        """Add the embeddings that are not in it; return how many."""
        new = ~np.isin(keys, self.keys)
        if new.any():
            self.codes.add(np.ascontiguousarray(vectors[new]))
            self.keys = np.concatenate([self.keys, keys[new]])
        return int(new.sum())


def keys_of(ids: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return a number of each id and vector: another vector of the same id has another."""
    bits = np.ascontiguousarray(vectors, np.float32).view(np.uint32).astype(np.uint64)
    odd = np.random.default_rng(0).integers(1 << 62, size=vectors.shape[1], dtype=np.uint64) * 2 + 1
    return pd.util.hash_array(np.asarray(ids, object)) ^ (bits * odd).sum(axis=1, dtype=np.uint64)


def n_codes(d: int) -> int:
    """Return how many codes a vector gets: one for two numbers, or for more of a long one.

    Examples
    --------
    >>> n_codes(1152), n_codes(3840)
    (576, 480)
    """
    return next(d // k for k in range(2, d + 1) if d % k == 0 and d // k <= MOST_CODES)


def learn(vectors: np.ndarray, keys: np.ndarray) -> Index:
    """Return an index of these embeddings, its codes learnt from a sample of them."""
    n, d = vectors.shape
    codes = faiss.IndexPQFastScan(d, n_codes(d), BITS, faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(0).permutation(n)[:SAMPLE]
    codes.train(np.ascontiguousarray(vectors[sample]))
    index = Index(codes, np.empty(0, np.uint64), n)
    index.grow(vectors, keys)
    return index


def kept(uri: str, vectors: np.ndarray, keys: np.ndarray) -> Index:
    """Return the index kept at ``uri``, grown to these embeddings; made anew where it must be."""
    index = load(uri)
    if index is None or len(keys) > OUTGROWN * index.n_learnt:
        index = learn(vectors, keys)
    elif not index.grow(vectors, keys):
        return index
    save(index, uri)
    return index


def save(index: Index, uri: str) -> None:
    """Write the index as one file, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.npz"
        bits = faiss.serialize_index(index.codes)
        np.savez(path, codes=bits, keys=index.keys, n_learnt=index.n_learnt)
        files.put(path, uri)


def load(uri: str) -> Index | None:
    """Return the index of a file; None where there is none."""
    system, path = files.filesystem(uri)
    if system.get_file_info(path).type.name != "File":
        return None
    with files.local(uri) as local, np.load(local) as told:
        codes = cast(faiss.IndexPQFastScan, faiss.deserialize_index(told["codes"]))
        return Index(codes, told["keys"], int(told["n_learnt"]))
