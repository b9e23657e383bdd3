"""An evaluation set out of the lake, or straight from a manifest without writing a table."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from covers.audio import (
    manifest as listing,
)
from covers.audio import (
    quantize,
    recordings_table,
    sandbox,
    spectrograms_table,
)
from covers.audio.features import parameters
from covers.errors import InputError
from covers.evaluation.systems import EvaluationSet
from covers.io.lake import Lake
from covers.models.registry import Network
from covers.retrieval import alignment, hearing
from covers.retrieval.hearing import Heard
from covers.schemas.recordings import RECORDINGS
from covers.schemas.spectrograms import SPECTROGRAMS


def from_lake(
    lake: Lake, data_set: str, networks: dict[str, Network], split: str = "test"
) -> EvaluationSet:
    """Collect the recordings of a data set with a known work.

    Raises
    ------
    InputError
        If there are none, or no work has two.
    """
    judged = lake.read(RECORDINGS).where(
        (F.col("data_set") == data_set)
        & (F.col("split") == split)
        & F.col("work_id").isNotNull()
        & (F.col("state") == "present")
    )
    all_spectrograms = lake.read(SPECTROGRAMS).where("segment = 0")
    by_representation = {
        r: spectrograms_table.select_parameters(all_spectrograms, r)
        for r in _representations(networks)
    }
    return _collect(data_set, judged, by_representation, networks)


def from_manifest(
    lake: Lake, manifest: str, audio_root: str | None, name: str, networks: dict[str, Network]
) -> EvaluationSet:
    """Decode and collect the recordings of a manifest; broken files are left out and counted."""
    listed = listing.list_manifest(manifest, audio_root, name)
    outcomes = recordings_table.inspect_files(
        recordings_table.listed_rows(lake.spark, listed), split="test", seed=0
    )
    judged = recordings_table.valid_rows(outcomes).where("work_id IS NOT NULL").persist()
    lake.n_quarantined = len(listed) - judged.count()
    by_representation = {}
    for representation in _representations(networks):
        p = parameters(representation, duration_s=30.0 if representation == "log_mel" else None)
        decoded = spectrograms_table.decode_recordings(judged, p, sandbox.Limits())
        by_representation[representation] = spectrograms_table.valid_rows(decoded).persist()
    return _collect(name, judged, by_representation, networks)


def _representations(networks: dict[str, Network]) -> list[str]:
    """Return what must be decoded: chroma for the baselines, and what the networks take."""
    return sorted({"chroma", *(n.config["representation"] for n in networks.values())})


def _collect(
    name: str,
    judged: DataFrame,
    by_representation: dict[str, DataFrame],
    networks: dict[str, Network],
) -> EvaluationSet:
    columns = judged.select("recording_id", "work_id", "title", "artist")
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
    chromas = [quantize.tensor_of_row(r) for r in rows]
    heard = {}
    for system, network in networks.items():
        of_kind = by_representation[network.config["representation"]].join(
            columns.select("recording_id"), "recording_id"
        )
        queries = of_kind.where("segment = 0").select(*SPECTROGRAMS.column_names)
        affordable = network if len(ids) <= alignment.MOST else network.only(frame_s=None)
        heard[system] = _heard(queries, affordable, ids), network.n_transpositions
    return EvaluationSet(name, ids, titles, works, chromas, heard)


def _heard(spectrograms: DataFrame, network: Network, ids: list[str]) -> list[Heard]:
    """Return what a network hears of each of these recordings."""
    rows = hearing.hear_rows(spectrograms, network).persist()
    rows.count()  # on all workers; then fetched part by part, for all may be more than Spark returns
    found = {r["recording_id"]: Heard.from_bytes(bytes(r["heard"])) for r in rows.toLocalIterator()}
    rows.unpersist()
    missing = [i for i in ids if i not in found]
    if missing:
        raise InputError(
            f"every recording must have a {network.config['representation']} spectrogram, got none for "
            f"{len(missing)} (first: {missing[0]!r}); run decode_audio --representation "
            f"{network.config['representation']}"
        )
    return [found[i] for i in ids]
