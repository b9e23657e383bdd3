"""Embedding models over spectrograms in Spark: whole recordings in, rows of embeddings out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import torch
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import BinaryType, StringType, StructField, StructType

from covers.audio import quantize
from covers.io.lake import Lake
from covers.models.model import EmbeddingModel
from covers.retrieval.embedding import TrackEmbeddings, extract_embeddings
from covers.retrieval.storage import pack_sequences
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.sequence_embeddings import SEQUENCE_EMBEDDINGS
from covers.schemas.table import Table

_TRANSPORT = StructType(
    [StructField("recording_id", StringType()), StructField("embeddings", BinaryType())]
)


def embed_rows(spectrograms: DataFrame, model: EmbeddingModel) -> DataFrame:
    """Return rows of `embeddings`; takes rows of `spectrograms` of the model's representation."""
    single = model.with_card(segment_s=None, frame_s=None, tempo_factors=(1.0,))
    shape, model_id = list(model.embedding_shape), model.model_id

    def row(r: dict, found: TrackEmbeddings) -> dict:
        return {
            "recording_id": r["recording_id"],
            "model_id": model_id,
            "segment": r["segment"],
            "vector": found.track[0].tolist(),
            "shape": shape,
            "parameters_id": r["parameters_id"],
            "sha256": r["sha256"],
        }

    return _map(spectrograms, single, row, EMBEDDINGS.struct_type())


def sequence_rows(spectrograms: DataFrame, model: EmbeddingModel) -> DataFrame:
    """Return rows of `sequence_embeddings`; takes rows of `spectrograms`, segment 0."""
    model_id = model.model_id

    def row(r: dict, found: TrackEmbeddings) -> dict:
        identity = {k: r[k] for k in ("recording_id", "parameters_id", "sha256")}
        return identity | {"model_id": model_id} | pack_sequences(found)

    return _map(spectrograms, model, row, SEQUENCE_EMBEDDINGS.struct_type())


def extract_all(spectrograms: DataFrame, model: EmbeddingModel) -> DataFrame:
    """Return (recording_id, embeddings): all levels and tempi, as `TrackEmbeddings.to_bytes`."""

    def row(r: dict, found: TrackEmbeddings) -> dict:
        return {"recording_id": r["recording_id"], "embeddings": found.to_bytes()}

    return _map(spectrograms, model, row, _TRANSPORT)


def _map(
    spectrograms: DataFrame,
    model: EmbeddingModel,
    row: Callable[[dict, TrackEmbeddings], dict],
    schema: StructType,
) -> DataFrame:
    # Broadcast: Spark refuses a second file of one name in a session, and all weights have one name.
    shared = spectrograms.sparkSession.sparkContext.broadcast(model)
    arrow = to_arrow_schema(schema)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # Spark runs one task a core
        for batch in batches:
            for r in batch.to_pylist():
                tensor = quantize.tensor_of_row(r)
                found = extract_embeddings(shared.value, tensor, r["frames_per_second"])
                yield pa.RecordBatch.from_pylist([row(r, found)], schema=arrow)

    return spectrograms.mapInArrow(work, schema)


def unembedded(lake: Lake, spectrograms: DataFrame, table: Table, model_id: str) -> DataFrame:
    """Return the spectrograms without a row of this model, made from the same content, in ``table``.

    The table, `embeddings` or `sequence_embeddings`, is created if it is missing.
    """
    lake.ensure(table)
    stored = lake.spark.table(lake.identifier(table)).where(F.col("model_id") == model_id)
    by_segment = "segment" in table.column_names
    keys = ["recording_id", *(["segment"] if by_segment else []), "parameters_id", "sha256"]
    wanted = spectrograms if by_segment else spectrograms.where("segment = 0")
    return wanted.join(stored.select(*keys), keys, "left_anti")
