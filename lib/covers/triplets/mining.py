"""Triplets by distance in an earlier model's embeddings: hard ones, or semi-hard ones.

*Conventions.* Families are dealt to buckets of about `BUCKET` recordings by a hash of the seed;
anchors look for partners in their own bucket alone (one Spark group, one faiss index), so that work
grows with the number of recordings and not with its square. A family is never parted. A negative
is never of the anchor's label or family. Similarity is the cosine, for covernet at the best roll.

``hard``       positive the farthest, negative the nearest; draw i takes the i-th of each
``semi-hard``  positive at random, negative the nearest that is farther than the positive, for draw
               i the i-th such; the farthest of all where none is

References
----------
Schroff et al. "FaceNet." CVPR 2015, section 3.2. Hermans et al. "In defense of the triplet loss." 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import faiss
import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.errors import InputError
from covers.triplets import sampling

WAYS = ("semi-hard", "hard")
BUCKET = 8192
_POOL = 64  # positives looked at; a larger label's are drawn
_BLOCK = 1 << 22  # neighbours held at a time
_FOUND = (
    "strategy string, split string, recording_id string, draw int, kind string, label string, "
    "positive string, negative string, negative_label string, distance_positive double, "
    "distance_negative double"
)


def generate(
    found: DataFrame,
    vectors: DataFrame,
    names: Sequence[str],
    how: str,
    *,
    per_anchor: int,
    seed: int,
    weights: Mapping[str, float] = sampling.MIX,
) -> DataFrame:
    """Return rows of `triplets` as `sampling.generate`, mined; a strategy is named NAME-HOW.

    Takes the columns of `candidates`, and recording_id, vector, n_transpositions of all or some of them: a
    recording without a vector is in no triplet. An anchor has no triplet where its bucket holds
    no partner for it (a cluster of a few recordings among many thousand).

    Raises
    ------
    ValueError
        If a strategy or the way is unknown, or per_anchor is not positive.
    """
    if how not in WAYS:
        raise ValueError(f"mining must be one of {WAYS}, got {how!r}")
    found = found.join(vectors.select("recording_id"), "recording_id", "left_semi")
    laid = sampling.lay_out(found, sampling.kinds_of(names, weights)).persist()
    drawn = sampling.draws(laid, names, per_anchor, seed, weights)
    number = F.xxhash64(F.lit(seed), F.lit("positive"), "kind", "recording_id", "draw")
    asked = F.struct("strategy", "kind", "draw", number.alias("number"))
    wanted = drawn.groupBy("recording_id", "layout").agg(F.collect_list(asked).alias("wanted"))
    largest = laid.groupBy("layout", "split").count().agg(F.max("count")).collect()[0][0] or 1
    bucket = F.pmod(F.xxhash64(F.lit(seed), "family"), F.lit(-(-largest // BUCKET)))
    placed = laid.select(
        "layout", "split", "recording_id", "label", "family", bucket.alias("bucket")
    )
    placed = placed.join(wanted, ["recording_id", "layout"], "left").join(vectors, "recording_id")
    mined = placed.groupBy("layout", "split", "bucket").applyInPandas(
        lambda group: _of_bucket(group, how), _FOUND
    )
    named = F.concat("strategy", F.lit(f"-{how}"))
    return sampling.as_rows(mined.withColumn("strategy", named), seed)


def vectors_of(embeddings: DataFrame, model_id: str) -> DataFrame:
    """Return recording_id, vector, n_transpositions of one model; takes rows of `embeddings`.

    Raises
    ------
    InputError
        If the model has embedded nothing.
    """
    found = embeddings.where((F.col("model_id") == model_id) & (F.col("segment") == 0))
    if found.isEmpty():
        raise InputError(
            f"embeddings must hold some of model {model_id!r}, got none; run embed_recordings first"
        )
    rolls = F.when(F.size("shape") == 2, F.col("shape")[0]).otherwise(1)  # pitch classes
    return found.select("recording_id", "vector", rolls.alias("n_transpositions"))


def _of_bucket(group: pd.DataFrame, how: str) -> pd.DataFrame:
    """Return the mined draws of one bucket, as `_FOUND`."""
    group = group.sort_values(["label", "family", "recording_id"], ignore_index=True)
    bucket = Bucket(
        np.stack(group["vector"].tolist()).astype(np.float32),
        int(group["n_transpositions"].iloc[0]),
        group["label"].factorize()[0],
        group["family"].factorize()[0],
    )
    asked = [(i, w) for i, ws in enumerate(group["wanted"]) if ws is not None for w in ws]
    draws = pd.DataFrame([w if isinstance(w, dict) else w.asDict() for _, w in asked])
    if not len(draws):
        return pd.DataFrame(columns=[c.split()[0] for c in _FOUND.split(", ")])
    draws["anchor"] = [i for i, _ in asked]
    augmented = (draws["kind"] == "augmentation").to_numpy()
    anchors, turns = draws["anchor"].to_numpy(), draws["draw"].to_numpy()
    positives = bucket.positives(anchors, turns, draws["number"].to_numpy(), how)
    positives = np.where(augmented, anchors, positives)
    negatives = bucket.negatives(anchors, np.where(positives < 0, anchors, positives), turns, how)
    ids, labels = group["recording_id"].to_numpy(), group["label"].to_numpy()
    found = draws.assign(
        split=group["split"].iloc[0], recording_id=ids[anchors], label=labels[anchors],
        positive=ids[positives], negative=ids[negatives], negative_label=labels[negatives],
        distance_positive=np.where(augmented, np.nan, bucket.distance(anchors, positives)),
        distance_negative=bucket.distance(anchors, negatives),
    )  # fmt: skip
    found = found[(positives >= 0) & (negatives >= 0)]
    found["distance_positive"] = found["distance_positive"].astype(object).where(
        found["distance_positive"].notna(), None
    )  # fmt: skip
    return found[[c.split()[0] for c in _FOUND.split(", ")]]


@dataclass(frozen=True)
class Bucket:
    """Embeddings of unit norm (n, d), sorted by label, with their labels and families as numbers."""

    vectors: np.ndarray
    n_transpositions: int
    labels: np.ndarray
    families: np.ndarray

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return (n,) similarities of rows a from rows b."""
        best = np.full(len(a), -np.inf, np.float32)
        for rolled in self._rolls(b):
            best = np.maximum(best, np.einsum("nd,nd->n", self.vectors[a], rolled))
        return best

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return (n,) distances, 0 to 2."""
        return np.sqrt(np.maximum(2 - 2 * self.similarity(a, b).astype(float), 0))

    def _rolls(self, rows: np.ndarray) -> list[np.ndarray]:
        by_pitch = self.vectors[rows].reshape(len(rows), self.n_transpositions, -1)
        return [
            np.roll(by_pitch, s, axis=1).reshape(len(rows), self.vectors.shape[1])
            for s in range(self.n_transpositions)
        ]

    def positives(
        self, anchors: np.ndarray, turns: np.ndarray, numbers: np.ndarray, how: str
    ) -> np.ndarray:
        """Return a row of the same label for every draw; -1 where the anchor is alone."""
        _, start, size = np.unique(self.labels, return_index=True, return_counts=True)
        first, others = start[self.labels[anchors]], size[self.labels[anchors]] - 1
        lone = np.maximum(others, 1)
        turn = np.where(others > 0, numbers % lone, 0)
        at = first + turn + (first + turn >= anchors)
        if how == "hard":
            for draw in np.flatnonzero(others > 0):
                at[draw] = self._farthest(anchors[draw], first[draw], others[draw], turns[draw])
        return np.where(others > 0, at, -1)

    def _farthest(self, anchor: int, first: int, others: int, turn: int) -> int:
        pool = np.arange(first, first + others + 1)
        if others > _POOL:
            pool = np.random.default_rng([anchor, first]).choice(pool, _POOL, replace=False)
        pool = pool[pool != anchor]
        near = self.similarity(np.full(len(pool), anchor), pool)
        return int(pool[np.argsort(near, kind="stable")[turn % len(pool)]])

    def negatives(
        self, anchors: np.ndarray, positives: np.ndarray, turns: np.ndarray, how: str
    ) -> np.ndarray:
        """Return a row of another label and family for every draw; -1 where there is none."""
        limit = np.full(len(anchors), np.inf)
        if how == "semi-hard":
            limit = self.similarity(anchors, positives) - 1e-6
        found = np.full(len(anchors), -1)
        open_, k = np.arange(len(anchors)), min(64 + int(turns.max()), len(self.labels))
        while len(open_):
            rows, of = np.unique(anchors[open_], return_inverse=True)
            ids, near = self.nearest_others(rows, k)
            ids, near = ids[of], near[of]
            valid = ids >= 0
            far = valid & (near < limit[open_, None])
            whole = ~valid[:, -1] | (k >= len(self.labels))  # nothing beyond was cut off
            last = np.maximum(valid.sum(axis=1) - 1, 0)
            start, n = far.argmax(axis=1), far.sum(axis=1)
            at = np.where(n > 0, start + turns[open_] % np.maximum(n, 1), last)
            done = whole | (n > turns[open_])
            found[open_[done]] = ids[np.arange(len(ids)), at][done]
            open_, k = open_[~done], min(8 * k, len(self.labels))
        return found

    def nearest_others(self, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (n, k) rows of another label and family and their similarities, nearest first.

        Exact; -1 fills up where there are fewer than k.
        """
        index = faiss.IndexFlatIP(self.vectors.shape[1])
        index.add(np.ascontiguousarray(self.vectors))
        ids = np.full((len(rows), k), -1)
        near = np.full((len(rows), k), -np.inf, np.float32)
        largest = int(np.bincount(self.families).max())
        sizes = np.bincount(self.labels)
        big = np.flatnonzero(sizes > _POOL)  # left out by the index, small ones afterwards
        parts = [
            (np.flatnonzero(self.labels == label), self.labels[rows] == label) for label in big
        ]
        parts.append((np.empty(0, np.int64), ~np.isin(self.labels[rows], big)))
        for without, mask in parts:
            left = faiss.IDSelectorNot(faiss.IDSelectorBatch(without)) if len(without) else None
            search = min(k + largest + (0 if len(without) else _POOL), len(self.labels))
            step = max(1, _BLOCK // (self.n_transpositions * search))
            where = np.flatnonzero(mask)
            for at in (where[i : i + step] for i in range(0, len(where), step)):
                found, similar = self._search(index, rows[at], search, k, left)
                ids[at, : found.shape[1]], near[at, : found.shape[1]] = found, similar
        return ids, near

    def _search(
        self, index: faiss.Index, rows: np.ndarray, n: int, k: int, left: faiss.IDSelector | None
    ) -> tuple[np.ndarray, np.ndarray]:
        queries = np.stack(self._rolls(rows), axis=1).reshape(-1, self.vectors.shape[1])
        near, ids = index.search(queries, n, params=faiss.SearchParameters(sel=left))  # type: ignore[call-arg]
        near, ids = near.reshape(len(rows), -1), ids.reshape(len(rows), -1)
        order = np.argsort(-near, axis=1, kind="stable")
        near, ids = np.take_along_axis(near, order, 1), np.take_along_axis(ids, order, 1)
        by_id = np.argsort(ids, axis=1, kind="stable")  # the first of equal ids is the nearest
        again = np.take_along_axis(ids, by_id, 1)
        repeated = np.zeros_like(ids, bool)
        np.put_along_axis(repeated, by_id[:, 1:], again[:, 1:] == again[:, :-1], 1)
        wrong = (ids < 0) | repeated
        wrong |= self.labels[ids] == self.labels[rows, None]
        wrong |= self.families[ids] == self.families[rows, None]
        keep = np.argsort(wrong, axis=1, kind="stable")[:, :k]
        wrong = np.take_along_axis(wrong, keep, 1)
        return (
            np.where(wrong, -1, np.take_along_axis(ids, keep, 1)),
            np.where(wrong, -np.inf, np.take_along_axis(near, keep, 1)),
        )
