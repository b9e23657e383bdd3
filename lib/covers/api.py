"""The public interface: load a model, embed, compare, search and evaluate, without Spark.

*Conventions.* Paths are local files, or URIs that `covers.io.files` opens. Where no model is given, the
pretrained one is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd

from covers.audio import extract
from covers.audio.features import parameters
from covers.errors import InputError
from covers.io.delta_reader import is_delta_table
from covers.models.model import EmbeddingModel, load_stand_alone
from covers.retrieval import reference_reader, reference_set, search
from covers.retrieval.embedding import TrackEmbeddings, extract_embeddings
from covers.retrieval.search import Comparison

OnFile = Callable[[str], object]


def load_model(name: str = "shipped") -> EmbeddingModel:
    """Return a model: the pretrained one ("shipped"), an untrained one, or that of a .safetensors file.

    Raises
    ------
    InputError
        If there is no such model, or its file or card cannot be used.
    """
    return load_stand_alone(name)


def chroma(path: str) -> np.ndarray:
    """Return the chroma of an audio file, shape (36, T), float32, 4 frames/s, frames of unit norm.

    Rows are pitch classes from C: twelve of the bass, twelve of the middle, twelve of the treble.

    Raises
    ------
    InputError
        If the file is missing or cannot be decoded.
    """
    return extract.decode_tensor(str(path), "chroma")


def embed(path: str, model: EmbeddingModel | None = None) -> TrackEmbeddings:
    """Return the embeddings of an audio file: of the track, its segments and its frames.

    Raises
    ------
    InputError
        If the file is missing or cannot be decoded.
    """
    model = model or load_model()
    kind = model.card.representation
    tensor = extract.decode_tensor(str(path), kind)
    return extract_embeddings(model, tensor, parameters(kind).frames_per_second)


def compare(
    a: str,
    b: str,
    model: EmbeddingModel | None = None,
    *,
    references: reference_set.ReferenceSet | None = None,
) -> Comparison:
    """Return how probable it is that two audio files are covers of one work, and where they match.

    Parameters
    ----------
    a, b : str
        Audio files.
    model : EmbeddingModel, optional
    references : ReferenceSet, optional
        Of the same model, 30 recordings or more: scores are normalised against them, which makes
        probabilities more reliable.

    Returns
    -------
    Comparison
        ``probability`` (0 to 1, at even prior odds), ``distance`` (0 to 2), ``s_norm`` and ``alignment``,
        ``transposition`` (by how many semitones b is higher, -5 to 6), ``tempo_ratio`` (above 1: b is
        faster), ``span_a`` and ``span_b`` (start, end) [s].

    Raises
    ------
    InputError
        If a file is missing or cannot be decoded.
    """
    model = model or (references.model if references is not None else load_model())
    first, second = (search.read_query(str(path), model) for path in (a, b))
    return search.compare(first, second, model, references)


class ReferenceSet(reference_set.ReferenceSet):
    """Recordings that queries are looked up among; `read` makes one."""

    @classmethod
    def read(
        cls,
        source: str | Path,
        model: EmbeddingModel | None = None,
        *,
        on_file: OnFile = lambda name: None,
    ) -> ReferenceSet:
        """Return the recordings of a lake that the model has embedded, or of a folder of audio files.

        Parameters
        ----------
        source : str
            A lake, or a folder whose audio files are embedded now. Files that cannot be decoded are left
            out and named, with the reason, in ``rejected``.
        model : EmbeddingModel, optional
        on_file : Callable
            Called with the name of each file of a folder when it is embedded.

        Raises
        ------
        InputError
            If the source is neither, or nothing in it can be used.
        """
        model, uri = model or load_model(), str(source)
        if is_delta_table(f"{uri.rstrip('/')}/embeddings"):
            found = reference_reader.read_lake(uri, model)
        elif not Path(uri).is_dir():
            raise InputError(
                f"references must be a lake with table embeddings or a folder of audio, got {uri!r}"
            )
        else:
            files = reference_reader.list_audio(Path(uri))
            found = reference_reader.embed_files(files, model, on_file)
        return cls(**{f.name: getattr(found, f.name) for f in fields(found)})

    def search(self, path: str, k: int = 5) -> pd.DataFrame:
        """Return the k best matches of an audio file, best first.

        Returns
        -------
        pd.DataFrame
            ``rank``, ``recording_id``, ``title``, ``artist``, ``work_id``, ``probability``, ``distance``,
            ``s_norm``, ``alignment``, ``transposition``, ``tempo_ratio``, and spans [s]: ``query_start_s``,
            ``query_end_s``, ``start_s``, ``end_s``.

        Raises
        ------
        InputError
            If the file is missing or cannot be decoded.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        query = search.read_query(str(path), self.model)
        rows = []
        for match in search.search(self, query, k):
            row = match.to_dict()
            for name, prefix in (("span_query", "query_"), ("span_reference", "")):
                span = row.pop(name) or (None, None)
                row[f"{prefix}start_s"], row[f"{prefix}end_s"] = span  # type: ignore[misc]
            rows.append(row)
        return pd.DataFrame(rows)


def evaluate(
    manifest: str,
    audio_root: str | None = None,
    model: EmbeddingModel | None = None,
    *,
    baselines: bool = True,
    seed: int = 123,
    on_file: OnFile = lambda name: None,
) -> pd.DataFrame:
    """Return how well a model and the baselines find the covers of a manifest's recordings.

    Parameters
    ----------
    manifest : str
        CSV with columns ``path`` and ``work_id``: docs/audio.md.
    audio_root : str, optional
        Folder that paths are relative to; default: the manifest's.
    model : EmbeddingModel, optional
    baselines : bool
        Evaluate Qmax and 2-D Fourier magnitude too.
    seed : int
        Of the bootstrap.
    on_file : Callable
        Called with the id of each recording when it is embedded.

    Returns
    -------
    pd.DataFrame
        A row a system, best MAP first: ``system``, ``map``, ``p_at_1``, ``mr1``, ``hit_at_10``,
        ``triplet_accuracy``, and ``map_low``, ``map_high``: the 95% interval over works. ``attrs`` has
        ``coverage`` of the first stage and ``rejected`` files.

    Raises
    ------
    InputError
        If the manifest cannot be used, or no work has two recordings that can be decoded.
    """
    from covers.evaluation import leaderboard, manifest_set, systems

    model = model or load_model()
    data, rejected = manifest_set.read_manifest_set(manifest, audio_root, model, on_file)
    distances, searched = systems.compare_systems(data, baselines=baselines)
    results = leaderboard.evaluate(distances, data.works, seed=seed)
    rows = [
        {"system": system}
        | {name: found[name]["value"] for name in leaderboard.COLUMNS}
        | {f"map_{end}": found["map"][end] for end in ("low", "high")}
        for system, found in results.items()
    ]
    table = pd.DataFrame(rows).sort_values("map", ascending=False, ignore_index=True)
    table.attrs = {"coverage": dict(searched.coverage) if searched else {}, "rejected": rejected}
    return table
