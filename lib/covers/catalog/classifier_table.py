"""The cluster classifier on Spark: labelled tracks, training, evaluation, registration.

*Conventions.* Tracks stream to the driver in a given order; it holds one partition, one batch and a
sample of the test set. A thousand tracks travel in one row as bytes, partition after partition: a
row a track would take the driver many times as long.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from sklearn.pipeline import Pipeline

from covers.catalog.classifier import ClassifierConfig, fit_stream, save, scores
from covers.catalog.model_card import CardContents, render
from covers.catalog.overfitting import Sample
from covers.catalog.stream import Batch, batches, slice_chunks, unpack
from covers.errors import InputError
from covers.io import files
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, register
from covers.io.spark import hash_bucket

TEST_SAMPLE = 10_000  # tracks evaluated after every fit; at the end all are
OVERFITTING_SAMPLE = 20_000  # tracks
_PARTITION = 200_000  # tracks


def labelled_tracks(
    features: DataFrame,
    clusters: DataFrame,
    config: ClassifierConfig,
    *,
    encoding: str,
    cluster_model_id: str,
) -> DataFrame:
    """Return track_id, features, cluster and bucket, a hash of track_id in [0, 1).

    Takes `track_features` and `track_clusters` rows. The test set is bucket < test_share.
    """
    vectors = features.where((F.col("encoding") == encoding) & (F.col("source") == "catalog"))
    labels = clusters.where(
        (F.col("cluster_model_id") == cluster_model_id) & (F.col("method") == "nearest_center")
    )
    return vectors.join(labels.select("track_id", "cluster"), "track_id").select(
        "track_id", "features", "cluster", hash_share("track_id", config.seed).alias("bucket")
    )


def hash_share(column: str, seed: int) -> F.Column:
    """Return a number in [0, 1) that is the same for equal text in any partitioning."""
    return hash_bucket(column, seed, 1_000_000) / 1_000_000


def train(rows: DataFrame, k: int, config: ClassifierConfig) -> tuple[Pipeline, pd.DataFrame]:
    """Train on `labelled_tracks` rows; return the model and its fits.

    Raises
    ------
    InputError
        If no track is held out, or none is left.
    """
    rng = np.random.default_rng(config.seed)
    is_test = F.col("bucket") < config.test_share
    n_rows, n_test = rows.agg(F.count("*"), F.count_if(is_test)).collect()[0]
    if not 0 < n_test < n_rows:
        raise InputError(
            f"tracks must be enough for training and test, got {n_rows - n_test} and {n_test}; "
            "ingest more tracks"
        )
    by_hash = F.xxhash64("track_id", F.lit(config.seed))
    order = by_hash if config.is_shuffled else F.col("track_id")
    test_rows = rows.where(F.col("bucket") < config.test_share * min(1.0, TEST_SAMPLE / n_test))
    test = next(batches(unpack(pack(test_rows, n_test, order).collect()), n_test, rng))
    n_train = n_rows - n_test
    stream = pack(rows.where(~is_test), n_train, order).persist()

    def passes() -> Iterator[Iterator[Batch]]:
        for section in range(config.n_trained):
            ends = [n_train * i // config.n_sections for i in (section, section + 1)]
            for _ in range(config.epochs if section else config.first_epochs):
                chunks = slice_chunks(unpack(stream.toLocalIterator()), *ends)
                yield batches(chunks, config.batch_size, rng)

    fitted = fit_stream(passes(), test, k, config)
    stream.unpersist()
    return fitted


def evaluate(rows: DataFrame, model: Pipeline, k: int, config: ClassifierConfig) -> dict:
    """Return the model's metrics on every held-out track; takes `labelled_tracks` rows."""
    held_out = rows.where(F.col("bucket") < config.test_share)
    pairs = held_out.groupBy(
        "cluster", prediction_udf(model)("features").alias("predicted")
    ).count()
    counts = np.zeros((k, k), dtype=np.int64)
    for cluster, predicted, n in pairs.collect():
        counts[cluster, predicted] = n
    return {**scores(counts), "n": int(counts.sum())}


def prediction_udf(model: Pipeline) -> Callable[[str], F.Column]:
    """Return a Spark function: column of feature vectors to cluster; the model travels with it."""

    @F.pandas_udf("int")  # type: ignore[call-overload]
    def clusters(vectors: pd.Series) -> pd.Series:
        return pd.Series(model.predict(np.stack(vectors.to_list())).astype(np.int32))

    return clusters


def pack(rows: DataFrame, n_rows: int, order: Column) -> DataFrame:
    """Return the tracks in this order, up to a thousand in one row; takes features and cluster."""
    n_partitions = -(-n_rows // _PARTITION) or 1
    ordered = rows.withColumn("_order", order).repartitionByRange(n_partitions, "_order")
    ordered = ordered.sortWithinPartitions("_order").select("features", "cluster")
    return ordered.mapInArrow(_pack, "x binary, y binary")


def _pack(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        x = batch.column(0).flatten().to_numpy().astype(np.float64)
        y = batch.column(1).to_numpy().astype(np.int32)
        if len(y):
            yield pa.RecordBatch.from_pydict({"x": [x.tobytes()], "y": [y.tobytes()]})


def sample_tracks(labelled: DataFrame, tracks: DataFrame, config: ClassifierConfig) -> Sample:
    """Return at most about OVERFITTING_SAMPLE tracks; takes `labelled_tracks` and `tracks` rows."""
    share = min(1.0, OVERFITTING_SAMPLE / max(labelled.count(), 1))
    some = labelled.where(hash_share("track_id", config.seed + 1) < share)
    joined = some.join(tracks.select("track_id", "artist"), "track_id").select(
        "features", "cluster", "bucket", hash_share("artist", config.seed), "track_id"
    )
    rows = sorted(joined.collect(), key=lambda r: r[4])
    x = np.array([r[0] for r in rows]).reshape(len(rows), -1)
    y, by_track, by_artist = (np.array([r[i] for r in rows]) for i in (1, 2, 3))
    return Sample(x, y.astype(np.int32), by_track, by_artist)


def register_with_card(lake: Lake, model: Pipeline, contents: CardContents) -> None:
    """Register the model in the lake, and write its card, README.md, beside its file."""
    with tempfile.TemporaryDirectory() as folder:
        path, page = Path(folder) / "classifier.skops", Path(folder) / "README.md"
        save(model, path)
        page.write_text(render(model, contents))
        uri = register(
            lake,
            ModelRecord(
                contents.model_id, "classifier", str(path), contents.settings, contents.result
            ),
        )
        files.put(page, f"{uri.rsplit('/', 1)[0]}/README.md")
