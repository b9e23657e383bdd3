"""Triplets by distance in an earlier model's embeddings: hard, or semi-hard ones.

*Conventions.* Families are assigned to buckets of about `BUCKET_SIZE` recordings by a hash of the seed.
Anchors look for positives and negatives in their own bucket alone (one Spark group, one faiss index), so
that work grows with the number of recordings and not with its square. A family is never split. The
modes are defined in `covers.triplets.bucket`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.errors import InputError
from covers.triplets.bucket import Bucket
from covers.triplets.config import MINING_MODES, SamplingConfig
from covers.triplets.sampling_table import assign_positions, draw_anchors, to_rows

BUCKET_SIZE = 8192
_MINED = (
    "strategy string, split string, recording_id string, draw int, kind string, label string, "
    "positive string, negative string, negative_label string, distance_positive double, "
    "distance_negative double"
)
_MINED_COLUMNS = [column.split()[0] for column in _MINED.split(", ")]


def mine_triplets(
    candidates: DataFrame, vectors: DataFrame, config: SamplingConfig, mode: str
) -> DataFrame:
    """Return rows of `triplets` as `sampling_table.draw_triplets`, mined; strategies are named NAME-MODE.

    An anchor has no triplet where its bucket holds no positive or negative for it (a cluster of a few
    recordings among many thousands).

    Parameters
    ----------
    candidates : DataFrame
        As `candidates_table.select_candidates` returns it.
    vectors : DataFrame
        Columns recording_id, vector, n_transpositions; a recording without a vector is in no triplet.
    config : SamplingConfig
    mode : str
        One of `MINING_MODES`.

    Raises
    ------
    ValueError
        If the mode is unknown.
    """
    if mode not in MINING_MODES:
        raise ValueError(f"mining must be one of {MINING_MODES}, got {mode!r}")
    embedded = candidates.join(vectors.select("recording_id"), "recording_id", "left_semi")
    positioned = assign_positions(embedded, config).persist()
    drawn = draw_anchors(positioned, config)
    random = F.xxhash64(F.lit(config.seed), F.lit("positive"), "kind", "recording_id", "draw")
    draw = F.struct("strategy", "kind", "draw", random.alias("random"))
    draws = drawn.groupBy("recording_id", "layout").agg(F.collect_list(draw).alias("draws"))
    counts = positioned.groupBy("layout", "split").count()
    n_buckets = -(-(counts.agg(F.max("count")).collect()[0][0] or 1) // BUCKET_SIZE)
    bucket = F.pmod(F.xxhash64(F.lit(config.seed), "family"), F.lit(n_buckets))
    rows = positioned.select(
        "layout", "split", "recording_id", "label", "family", bucket.alias("bucket")
    )
    rows = rows.join(draws, ["recording_id", "layout"], "left").join(vectors, "recording_id")
    mined = rows.groupBy("layout", "split", "bucket").applyInPandas(
        lambda group: _mine_bucket(group, mode), _MINED
    )
    return to_rows(
        mined.withColumn("strategy", F.concat("strategy", F.lit(f"-{mode}"))), config.seed
    )


def select_vectors(embeddings: DataFrame, model_id: str) -> DataFrame:
    """Return recording_id, vector, n_transpositions of one model; takes rows of `embeddings`.

    Raises
    ------
    InputError
        If the table holds no embeddings of the model.
    """
    rows = embeddings.where((F.col("model_id") == model_id) & (F.col("segment") == 0))
    if rows.isEmpty():
        raise InputError(
            f"embeddings must hold some of model {model_id!r}, got none; run embed_recordings first"
        )
    n_transpositions = F.when(F.size("shape") == 2, F.col("shape")[0]).otherwise(1)
    return rows.select("recording_id", "vector", n_transpositions.alias("n_transpositions"))


def _mine_bucket(group: pd.DataFrame, mode: str) -> pd.DataFrame:
    """Return the mined draws of one bucket, with the columns of `_MINED`."""
    group = group.sort_values(["label", "family", "recording_id"], ignore_index=True)
    bucket = Bucket(
        np.stack(group["vector"].tolist()).astype(np.float32),
        int(group["n_transpositions"].iloc[0]),
        group["label"].factorize()[0],
        group["family"].factorize()[0],
    )
    by_anchor = [(i, d) for i, own in enumerate(group["draws"]) if own is not None for d in own]
    if not by_anchor:
        return pd.DataFrame(columns=_MINED_COLUMNS)
    draws = pd.DataFrame([d if isinstance(d, dict) else d.asDict() for _, d in by_anchor])
    anchors, numbers = np.array([i for i, _ in by_anchor]), draws["draw"].to_numpy()
    augmented = (draws["kind"] == "augmentation").to_numpy()
    positives = bucket.choose_positives(anchors, numbers, draws["random"].to_numpy(), mode)
    positives = np.where(augmented, anchors, positives)
    or_anchor = np.where(positives < 0, anchors, positives)
    negatives = bucket.choose_negatives(anchors, or_anchor, numbers, mode)
    ids, labels = group["recording_id"].to_numpy(), group["label"].to_numpy()
    distances = bucket.distance(anchors, positives).astype(object)
    distances[augmented] = None  # null in the table, not nan
    mined = draws.assign(
        split=group["split"].iloc[0], recording_id=ids[anchors], label=labels[anchors],
        positive=ids[positives], negative=ids[negatives], negative_label=labels[negatives],
        distance_positive=distances, distance_negative=bucket.distance(anchors, negatives),
    )  # fmt: skip
    return mined.loc[(positives >= 0) & (negatives >= 0), _MINED_COLUMNS]
