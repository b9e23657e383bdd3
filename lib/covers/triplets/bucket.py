"""Positives and negatives by distance among the embeddings of one bucket of recordings.

*Conventions.* Similarity is the cosine, at the best transposition; distance is sqrt(2 - 2 * similarity),
0 to 2. Recordings are row numbers of the bucket, and -1 is none. A negative is never of the anchor's
label or family. Modes, for draw i of an anchor:

``hard``       positive: the i-th farthest; negative: the i-th nearest
``semi-hard``  positive: a random one; negative: the i-th nearest that is farther than the positive, or
               the farthest of all where there is none

References
----------
Schroff et al. "FaceNet." CVPR 2015, section 3.2. Hermans et al. "In defense of the triplet loss." 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np

from covers.models.similarity import transpose

_POSITIVE_POOL = 64  # positives compared with; of a larger label so many are drawn
_MAX_NEIGHBOURS = 1 << 22  # held in memory at a time


@dataclass(frozen=True)
class Bucket:
    """Embeddings of some recordings, sorted by label.

    Parameters
    ----------
    vectors : np.ndarray, shape (n, d), float32
        Unit norm.
    n_transpositions : int
        12 for CoverNet, else 1.
    labels, families : np.ndarray, shape (n,)
        As numbers; labels ascend.
    """

    vectors: np.ndarray
    n_transpositions: int
    labels: np.ndarray
    families: np.ndarray

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return (n,) similarities of rows ``a`` (n,) to rows ``b`` (n,)."""
        best = np.full(len(a), -np.inf, np.float32)
        for transposed in transpose(self.vectors[b], self.n_transpositions):
            best = np.maximum(best, np.einsum("nd,nd->n", self.vectors[a], transposed))
        return best

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return (n,) distances of rows ``a`` (n,) to rows ``b`` (n,)."""
        return np.sqrt(np.maximum(2 - 2 * self.similarity(a, b).astype(float), 0))

    def choose_positives(
        self, anchors: np.ndarray, draws: np.ndarray, random: np.ndarray, mode: str
    ) -> np.ndarray:
        """Return a row of the anchor's label for every draw, -1 where the anchor is alone.

        Parameters
        ----------
        anchors, draws : np.ndarray, shape (n,)
            Row of the anchor, and number of the draw.
        random : np.ndarray, shape (n,), int64
            A random number for each draw.
        mode : str
            semi-hard or hard.
        """
        _, start, size = np.unique(self.labels, return_index=True, return_counts=True)
        first, n_others = start[self.labels[anchors]], size[self.labels[anchors]] - 1
        offset = np.where(n_others > 0, random % np.maximum(n_others, 1), 0)
        chosen = first + offset + (first + offset >= anchors)  # skips the anchor itself
        if mode == "hard":
            for i in np.flatnonzero(n_others > 0):
                chosen[i] = self._farthest(anchors[i], first[i], n_others[i], draws[i])
        return np.where(n_others > 0, chosen, -1)

    def _farthest(self, anchor: int, first: int, n_others: int, draw: int) -> int:
        pool = np.arange(first, first + n_others + 1)
        if n_others > _POSITIVE_POOL:
            rng = np.random.default_rng([anchor, first])
            pool = rng.choice(pool, _POSITIVE_POOL, replace=False)
        pool = pool[pool != anchor]
        similarity = self.similarity(np.full(len(pool), anchor), pool)
        return int(pool[np.argsort(similarity, kind="stable")[draw % len(pool)]])

    def choose_negatives(
        self, anchors: np.ndarray, positives: np.ndarray, draws: np.ndarray, mode: str
    ) -> np.ndarray:
        """Return a row of another label and family for every draw, -1 where there is none."""
        limit = np.full(len(anchors), np.inf)
        if mode == "semi-hard":
            limit = self.similarity(anchors, positives) - 1e-6
        found = np.full(len(anchors), -1)
        # Draws that k neighbours do not settle are searched again with eight times as many.
        pending, k = np.arange(len(anchors)), min(64 + int(draws.max()), len(self.labels))
        while len(pending):
            rows, inverse = np.unique(anchors[pending], return_inverse=True)
            ids, similarity = self.nearest_negatives(rows, k)
            ids, similarity = ids[inverse], similarity[inverse]
            valid = ids >= 0
            eligible = valid & (similarity < limit[pending, None])
            complete = ~valid[:, -1] | (k >= len(self.labels))  # the search cut nothing off
            farthest = np.maximum(valid.sum(axis=1) - 1, 0)
            first, n = eligible.argmax(axis=1), eligible.sum(axis=1)
            at = np.where(n > 0, first + draws[pending] % np.maximum(n, 1), farthest)
            done = complete | (n > draws[pending])
            found[pending[done]] = ids[np.arange(len(ids)), at][done]
            pending, k = pending[~done], min(8 * k, len(self.labels))
        return found

    def nearest_negatives(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the ``k`` nearest rows of another label and family, exactly, nearest first.

        Returns
        -------
        ids : np.ndarray, shape (n, k)
            -1 where there are fewer than ``k``.
        similarity : np.ndarray, shape (n, k), float32
            -inf where there is no row.
        """
        index = faiss.IndexFlatIP(self.vectors.shape[1])
        index.add(np.ascontiguousarray(self.vectors))
        ids = np.full((len(rows), k), -1)
        similarity = np.full((len(rows), k), -np.inf, np.float32)
        largest_family = int(np.bincount(self.families).max())
        sizes = np.bincount(self.labels)
        # The index leaves out a large label. Small ones are removed from its answers, for which it is
        # asked for as many more.
        large = np.flatnonzero(sizes > _POSITIVE_POOL)
        groups = [(np.flatnonzero(self.labels == x), self.labels[rows] == x) for x in large]
        groups.append((np.empty(0, np.int64), ~np.isin(self.labels[rows], large)))
        for excluded, mask in groups:
            n_extra = largest_family + (0 if len(excluded) else _POSITIVE_POOL)
            n_asked = min(k + n_extra, len(self.labels))
            step = max(1, _MAX_NEIGHBOURS // (self.n_transpositions * n_asked))
            asked = np.flatnonzero(mask)
            for at in (asked[i : i + step] for i in range(0, len(asked), step)):
                found, similar = self._search(index, rows[at], n_asked, k, excluded)
                ids[at, : found.shape[1]], similarity[at, : found.shape[1]] = found, similar
        return ids, similarity

    def _search(
        self, index: faiss.Index, rows: np.ndarray, n: int, k: int, excluded: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return up to ``k`` of the ``n`` nearest at each transposition, as `nearest_negatives`."""
        selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(excluded)) if len(excluded) else None
        transposed = transpose(self.vectors[rows], self.n_transpositions)
        queries = np.ascontiguousarray(transposed.swapaxes(0, 1).reshape(-1, index.d))
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        similarity, ids = index.search(queries, n, params=parameters)
        similarity, ids = similarity.reshape(len(rows), -1), ids.reshape(len(rows), -1)
        order = np.argsort(-similarity, axis=1, kind="stable")
        similarity = np.take_along_axis(similarity, order, 1)
        ids = np.take_along_axis(ids, order, 1)
        # A row is found once at each transposition: keep the nearest of equal ids.
        by_id = np.argsort(ids, axis=1, kind="stable")
        sorted_ids = np.take_along_axis(ids, by_id, 1)
        repeated = np.zeros_like(ids, bool)
        np.put_along_axis(repeated, by_id[:, 1:], sorted_ids[:, 1:] == sorted_ids[:, :-1], 1)
        invalid = (ids < 0) | repeated
        invalid |= self.labels[ids] == self.labels[rows, None]
        invalid |= self.families[ids] == self.families[rows, None]
        keep = np.argsort(invalid, axis=1, kind="stable")[:, :k]
        invalid = np.take_along_axis(invalid, keep, 1)
        return (
            np.where(invalid, -1, np.take_along_axis(ids, keep, 1)),
            np.where(invalid, -np.inf, np.take_along_axis(similarity, keep, 1)),
        )
