"""An evaluation set from the lake, or decoded straight from a manifest without writing a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.audio import manifest as manifests
from covers.audio import quantize, recordings_table, sandbox, spectrograms_table
from covers.audio.features import parameters
from covers.errors import InputError
from covers.evaluation.systems import EvaluationSet
from covers.io.lake import Lake
from covers.models.model import EmbeddingModel
from covers.retrieval import pairs
from covers.retrieval.embedding import TrackEmbeddings
from covers.retrieval.embeddings_table import extract_all
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS

CLIP_S = 30.0  # of log-mel, as the write-up's clips


def from_lake(
    lake: Lake, data_set: str, models: Mapping[str, EmbeddingModel], split: str = "test"
) -> EvaluationSet:
    """Return the recordings of a data set with a known work.

    Raises
    ------
    InputError
        If there are none, or no work has two.
    """
    evaluated = lake.read(RECORDINGS).where(
        (F.col("data_set") == data_set)
        & (F.col("split") == split)
        & F.col("work_id").isNotNull()
        & (F.col("state") == "present")
    )
    spectrograms = lake.read(SPECTROGRAMS).where("segment = 0")
    by_representation = {
        r: spectrograms_table.select_parameters(spectrograms, r) for r in representations(models)
    }
    return _collect(data_set, evaluated, by_representation, models)


def from_manifest(
    lake: Lake,
    manifest: str,
    audio_root: str | None,
    name: str,
    models: Mapping[str, EmbeddingModel],
) -> tuple[EvaluationSet, int]:
    """Decode the recordings of a manifest; return the set, and how many files were left out.

    Left out are files that cannot be decoded and recordings without a work.
    """
    listed = manifests.list_manifest(manifest, audio_root, name)
    rows = recordings_table.listed_rows(lake.spark, listed)
    outcomes = recordings_table.inspect_files(rows, split="test", seed=0)
    evaluated = recordings_table.valid_rows(outcomes).where("work_id IS NOT NULL").persist()
    by_representation = {}
    for representation in representations(models):
        p = parameters(representation, duration_s=CLIP_S if representation == "log_mel" else None)
        decoded = spectrograms_table.decode_recordings(evaluated, p, sandbox.Limits())
        by_representation[representation] = spectrograms_table.valid_rows(decoded).persist()
    n_left_out = len(listed) - evaluated.count()
    return _collect(name, evaluated, by_representation, models), n_left_out


def representations(models: Mapping[str, EmbeddingModel]) -> list[str]:
    """Return what must be decoded: chroma for the baselines, and what the models take."""
    return sorted({"chroma", *(m.card.representation for m in models.values())})


def _collect(
    name: str,
    evaluated: DataFrame,
    by_representation: Mapping[str, DataFrame],
    models: Mapping[str, EmbeddingModel],
) -> EvaluationSet:
    columns = evaluated.select("recording_id", "work_id", "title", "artist")
    chroma = by_representation["chroma"].join(columns, "recording_id")
    rows = chroma.orderBy("work_id", "recording_id").select(
        "recording_id", "work_id", "title", "artist", "shape", "scale", "offset", "tensor"
    ).collect()  # fmt: skip
    works = np.array([r["work_id"] for r in rows])
    if len(set(works)) in (0, len(works)) or len(set(works)) < 2:
        raise InputError(
            f"data set {name!r} must hold two works, one with two decoded recordings, got "
            f"{len(rows)} recordings of {len(set(works))} works; run decode_audio first, or check --data-set"
        )
    ids = [r["recording_id"] for r in rows]
    titles = [f"{r['title'] or r['work_id']} ({r['artist'] or 'unknown'})" for r in rows]
    embeddings, used = {}, {}
    for system, model in models.items():
        used[system] = model
        if len(ids) > pairs.MAX_RECORDINGS and model.card.frame_s:
            used[system] = model.with_card(frame_s=None)
        own = by_representation[model.card.representation].join(
            columns.select("recording_id"), "recording_id"
        )
        own = own.where("segment = 0").select(*SPECTROGRAMS.column_names)
        embeddings[system] = _extract(own, used[system], ids)
    chromas = [quantize.tensor_of_row(r) for r in rows]
    return EvaluationSet(name, ids, titles, works, chromas, used, embeddings)


def _extract(
    spectrograms: DataFrame, model: EmbeddingModel, ids: list[str]
) -> list[TrackEmbeddings]:
    """Return all embeddings of these recordings, extracted on all workers."""
    rows = extract_all(spectrograms, model).persist()
    rows.count()  # computed on all workers first; then fetched a partition at a time
    found = {
        r["recording_id"]: TrackEmbeddings.from_bytes(bytes(r["embeddings"]))
        for r in rows.toLocalIterator()
    }
    rows.unpersist()
    missing = [i for i in ids if i not in found]
    if missing:
        kind = model.card.representation
        raise InputError(
            f"every recording must have a {kind} spectrogram, got none for {len(missing)} (first: "
            f"{missing[0]!r}); run decode_audio --representation {kind}"
        )
    return [found[i] for i in ids]
