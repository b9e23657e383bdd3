"""Reading a reference set: from the Delta tables of a lake, without Spark, or from audio files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from covers.audio import extract, quantize
from covers.audio.features import parameters
from covers.errors import InputError
from covers.io.delta_reader import Snapshot, open_snapshot, read_matching, read_rows
from covers.models.model import EmbeddingModel
from covers.retrieval import index
from covers.retrieval.embedding import TrackEmbeddings, extract_embeddings
from covers.retrieval.reference_set import Load, Metadata, ReferenceSet
from covers.retrieval.storage import unpack_sequences

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff")

# Named here, not read from schemas: those are Spark types, and reading needs no Spark.
SEQUENCE_COLUMNS = [
    "recording_id", "width", "n_transpositions", "semitones", "tracks", "tracks_scales", "segments",
    "segments_scales", "segment_counts", "frames", "frames_scales",
]  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """Snapshots that a reference set is read from; the last two may be missing."""

    recordings: Snapshot
    embeddings: Snapshot
    sequences: Snapshot | None = None
    spectrograms: Snapshot | None = None


def read_lake(uri: str, model: EmbeddingModel) -> ReferenceSet:
    """Return the recordings of a lake that a model has embedded.

    Raises
    ------
    InputError
        If the lake has no such tables, or the model has embedded nothing.
    """
    recordings, embeddings, sequences, spectrograms = (
        open_snapshot(f"{uri.rstrip('/')}/{name}")
        for name in ("recordings", "embeddings", "sequence_embeddings", "spectrograms")
    )
    if recordings is None or embeddings is None:
        raise InputError(
            f"references must be a lake with recordings and embeddings, or a folder of audio, got "
            f"{uri!r}; run embed_recordings"
        )
    tables = Tables(recordings, embeddings, sequences, spectrograms)
    return read_tables(tables, model, f"{uri.rstrip('/')}/files")


def read_tables(
    tables: Tables, model: EmbeddingModel, files_uri: str | None, *, allow_empty: bool = False
) -> ReferenceSet:
    """Return the present recordings that a model has embedded.

    Parameters
    ----------
    tables : Tables
    model : EmbeddingModel
    files_uri : str or None
        Folder of the lake that keeps the index of a large set.
    allow_empty : bool
        Return an empty set instead of an error.

    Raises
    ------
    InputError
        If the model has embedded nothing.
    """
    metadata = _read_metadata(tables.recordings)
    ids, vectors = [], []
    columns = ["recording_id", "model_id", "segment", "vector"]
    for batch in read_rows(tables.embeddings, columns, reader="arrow"):
        own = (batch["model_id"] == model.model_id) & (batch["segment"] == 0)
        for recording_id, vector in zip(
            batch["recording_id"][own], batch["vector"][own], strict=True
        ):
            if recording_id in metadata:
                ids.append(recording_id)
                vectors.append(vector)
    if not ids and allow_empty:
        return ReferenceSet(model, np.array([]), np.empty((0, 1), np.float32), metadata)
    if not ids:
        raise InputError(
            f"embeddings must hold model {model.model_id}, got none; run embed_recordings"
        )
    tracks = np.array(vectors, np.float32)
    nearest = None
    if len(ids) > index.EXACT_UP_TO and files_uri is not None:
        uri = f"{files_uri}/index/{model.model_id}.npz"
        nearest = index.load_or_update(uri, tracks, index.keys_of(np.array(ids), tracks))
    return ReferenceSet(model, np.array(ids), tracks, metadata, _loader(tables, model), nearest)


def _read_metadata(recordings: Snapshot) -> dict[str, Metadata]:
    names = ["recording_id", "title", "artist", "work_id", "split", "state"]
    metadata = {}
    for batch in read_rows(recordings, names, reader="arrow"):
        for recording_id, *known, state in zip(*(batch[n] for n in names), strict=True):
            if state == "present":
                metadata[recording_id] = Metadata(*("" if x is None else x for x in known))
    return metadata


def _loader(tables: Tables, model: EmbeddingModel) -> Load:
    """Return a function that loads segments and frames, and embeds anew what has none stored."""

    def load(ids: Sequence[str]) -> dict[str, TrackEmbeddings]:
        if not (model.card.segment_s or model.card.frame_s):
            return {}
        found: dict[str, TrackEmbeddings] = {}
        if tables.sequences is not None:
            where = {"model_id": [model.model_id], "recording_id": ids}
            for row in read_matching(tables.sequences, SEQUENCE_COLUMNS, where):
                found[row["recording_id"]] = unpack_sequences(row)
        missing = [i for i in ids if i not in found]
        rate = parameters(model.card.representation).frames_per_second
        for i, tensor in load_tensors(
            tables.spectrograms, missing, model.card.representation
        ).items():
            found[i] = extract_embeddings(model, tensor, rate)
        return found

    return load


def load_tensors(
    spectrograms: Snapshot | None, ids: Sequence[str], representation: str
) -> dict[str, np.ndarray]:
    """Return the stored features of whole recordings, under the parameters of `choose_parameters`."""
    if spectrograms is None or not ids:
        return {}
    where = {"representation": [representation], "recording_id": ids}
    columns = [
        "recording_id", "parameters_id", "segment", "shape", "scale", "offset", "tensor",
    ]  # fmt: skip
    rows = [r for r in read_matching(spectrograms, columns, where) if r["segment"] == 0]
    if not rows:
        return {}
    chosen = extract.choose_parameters({r["parameters_id"] for r in rows}, representation)
    return {
        r["recording_id"]: quantize.tensor_of_row(r) for r in rows if r["parameters_id"] == chosen
    }


def embed_files(
    paths: Mapping[str, Path],
    model: EmbeddingModel,
    on_file: Callable[[str], object] = lambda name: None,
) -> ReferenceSet:
    """Return a reference set of audio files, embedded now and held in memory.

    A file that cannot be decoded is left out and named in ``rejected``.

    Parameters
    ----------
    paths : mapping of str to Path
        Recording ids to files.
    model : EmbeddingModel
    on_file : Callable
        Called with the id of each file when it is done.

    Raises
    ------
    InputError
        If no file can be decoded.
    """
    embedded: dict[str, TrackEmbeddings] = {}
    rejected: dict[str, str] = {}
    representation = model.card.representation
    rate = parameters(representation).frames_per_second
    for name, path in paths.items():
        try:
            tensor = extract.decode_tensor(str(path), representation)
            embedded[name] = extract_embeddings(model, tensor, rate)
        except InputError as error:
            rejected[name] = str(error)
        on_file(name)
    if not embedded:
        first = next(iter(rejected.values()), "none was named")
        raise InputError(
            f"references must have an audio file that can be decoded, got none ({first})"
        )
    return reference_set_of(
        embedded, model, {i: Metadata(title=Path(i).stem) for i in embedded}, rejected
    )


def reference_set_of(
    embedded: Mapping[str, TrackEmbeddings],
    model: EmbeddingModel,
    metadata: Mapping[str, Metadata],
    rejected: Mapping[str, str] | None = None,
) -> ReferenceSet:
    """Return a reference set of embeddings that are held in memory."""

    def load(ids: Sequence[str]) -> dict[str, TrackEmbeddings]:
        return {i: embedded[i] for i in ids if i in embedded}

    tracks = np.stack([e.track[0] for e in embedded.values()])
    return ReferenceSet(
        model, np.array(list(embedded)), tracks, metadata, load, rejected=rejected or {}
    )


def list_audio(folder: Path) -> dict[str, Path]:
    """Return the audio files under a folder by their path inside it.

    Raises
    ------
    InputError
        If there is none.
    """
    found = {p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file()}
    if not found:
        raise InputError(
            f"references must be a lake or a folder of audio files ({' '.join(AUDIO_SUFFIXES)}), got "
            f"neither in {str(folder)!r}"
        )
    return {str(p.relative_to(folder)): p for p in sorted(found)}
