"""An approximate nearest-neighbour index of track embeddings, for sets too large for exact search.

*Conventions.* Embeddings are unit vectors, flat. A query (k, d), at k tempo factors, is compared at its best
transposition. Transposing the query by -s equals transposing all others by s: twelve queries instead of
twelve copies of the table. What the index returns is ranked by exact distances.

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
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from covers.io import files
from covers.models.similarity import transpose
from covers.retrieval import scoring

if TYPE_CHECKING:
    import faiss

EXACT_UP_TO = 300_000
BITS_PER_CODE = 4
# faiss sums a vector's codes in 16 bits; with twice as many the sums overflow and mean nothing.
MAX_CODES = 576
CANDIDATES_PER_ANSWER = 60  # of each transposition
TRAINING_SAMPLE = 20_000
MAX_GROWTH = 4.0  # times the rows that the codes were trained for; beyond it they are trained anew


def distances_to(query: np.ndarray, vectors: np.ndarray, n_transpositions: int) -> np.ndarray:
    """Return (m,) exact distances of a query (k, d), at its best tempo, to vectors (m, d)."""
    return scoring.to_distance(scoring.track_similarities(query, vectors, n_transpositions))


@dataclass
class Index:
    """Product-quantisation codes of embeddings, and a key of what each was made of.

    ``keys``: (n,) uint64, `keys_of` the ids and vectors. ``n_trained_for``: rows when codes were trained.
    """

    codes: faiss.IndexPQFastScan
    keys: np.ndarray
    n_trained_for: int

    def nearest(
        self,
        query: np.ndarray,
        vectors: np.ndarray,
        keys: np.ndarray,
        n_transpositions: int,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, distances) of about the k nearest of ``vectors``, nearest first.

        Entries whose key is no longer in ``keys`` are ignored.
        """
        queries = transpose(query, n_transpositions).reshape(-1, query.shape[1])
        _, found = self.codes.search(queries, k * CANDIDATES_PER_ANSWER)
        rows = pd.Index(keys).get_indexer(self.keys[np.unique(found[found >= 0])])
        rows = rows[rows >= 0]
        d = distances_to(query, vectors[rows], n_transpositions)
        order = np.argsort(d, kind="stable")[:k]
        return rows[order], d[order]

    def grow(self, vectors: np.ndarray, keys: np.ndarray) -> int:
        """Add the embeddings that are not in the index; return how many."""
        new = ~np.isin(keys, self.keys)
        if new.any():
            self.codes.add(np.ascontiguousarray(vectors[new]))
            self.keys = np.concatenate([self.keys, keys[new]])
        return int(new.sum())


def keys_of(ids: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return a 64-bit key of each id and vector: a changed vector of the same id has another key."""
    bits = np.ascontiguousarray(vectors, np.float32).view(np.uint32).astype(np.uint64)
    odd = np.random.default_rng(0).integers(1 << 62, size=vectors.shape[1], dtype=np.uint64) * 2 + 1
    return pd.util.hash_array(np.asarray(ids, object)) ^ (bits * odd).sum(axis=1, dtype=np.uint64)


def n_codes(d: int) -> int:
    """Return how many codes a vector of d numbers gets: one for two numbers, or for more of a long one.

    Examples
    --------
    >>> n_codes(1152), n_codes(3840)
    (576, 480)
    """
    return next(d // k for k in range(2, d + 1) if d % k == 0 and d // k <= MAX_CODES)


def train(vectors: np.ndarray, keys: np.ndarray) -> Index:
    """Return an index of embeddings (n, d), its codes trained on a sample of them."""
    import faiss

    n, d = vectors.shape
    codes = faiss.IndexPQFastScan(d, n_codes(d), BITS_PER_CODE, faiss.METRIC_INNER_PRODUCT)
    sample = np.random.default_rng(0).permutation(n)[:TRAINING_SAMPLE]
    codes.train(np.ascontiguousarray(vectors[sample]))
    index = Index(codes, np.empty(0, np.uint64), n)
    index.grow(vectors, keys)
    return index


def load_or_update(uri: str, vectors: np.ndarray, keys: np.ndarray) -> Index:
    """Return the index stored at ``uri``, brought up to date with these embeddings and stored again."""
    index = load(uri)
    if index is None or len(keys) > MAX_GROWTH * index.n_trained_for:
        index = train(vectors, keys)
    elif not index.grow(vectors, keys):
        return index
    save(index, uri)
    return index


def save(index: Index, uri: str) -> None:
    """Write the index as one file, whole or not at all."""
    import faiss

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.npz"
        data = faiss.serialize_index(index.codes)
        np.savez(path, codes=data, keys=index.keys, n_trained_for=index.n_trained_for)
        files.put(path, uri)


def load(uri: str) -> Index | None:
    """Return the index of a file; None if there is no file."""
    import faiss

    system, path = files.filesystem(uri)
    if system.get_file_info(path).type.name != "File":
        return None
    with files.local(uri) as local, np.load(local) as stored:
        codes = cast("faiss.IndexPQFastScan", faiss.deserialize_index(stored["codes"]))
        count = "n_trained_for" if "n_trained_for" in stored else "n_learnt"
        return Index(codes, stored["keys"], int(stored[count]))
