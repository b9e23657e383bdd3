"""An evaluation set decoded from a manifest in this process, without Spark."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from covers.audio import extract
from covers.audio.features import parameters
from covers.audio.manifest import list_manifest
from covers.errors import InputError
from covers.evaluation.systems import EvaluationSet
from covers.models.model import EmbeddingModel, untrained
from covers.retrieval.embedding import extract_embeddings


def read_manifest_set(
    manifest: str,
    audio_root: str | None,
    model: EmbeddingModel,
    on_file: Callable[[str], object] = lambda name: None,
) -> tuple[EvaluationSet, dict[str, str]]:
    """Decode and embed the recordings of a manifest by a model and by the same network untrained.

    Returns
    -------
    EvaluationSet
        With models ``model`` and ``untrained``.
    dict of str to str
        Recordings left out, and why: no work, or a file that cannot be decoded.

    Raises
    ------
    InputError
        If the manifest cannot be read, or no work has two recordings that can be decoded.
    """
    models = {"model": model, "untrained": untrained(model.card.architecture)}
    kind = model.card.representation
    rate = parameters(kind).frames_per_second
    rows, rejected = [], {}
    embeddings: dict[str, list] = {name: [] for name in models}
    listed = sorted(
        list_manifest(manifest, audio_root, "evaluation"),
        key=lambda f: (f.work_id or "", f.recording_id),
    )
    for file in listed:
        try:
            if not file.work_id:
                raise InputError("work_id must be given, got none")
            tensor = extract.decode_tensor(file.uri, kind)
            chroma = tensor if kind == "chroma" else extract.decode_tensor(file.uri, "chroma")
            found = {name: extract_embeddings(m, tensor, rate) for name, m in models.items()}
        except InputError as error:
            rejected[file.recording_id] = str(error)
        else:
            rows.append((file, chroma))
            for name, e in found.items():
                embeddings[name].append(e)
        on_file(file.recording_id)
    works = np.array([file.work_id for file, _ in rows])
    if len(set(works)) in (0, len(works)) or len(set(works)) < 2:
        raise InputError(
            f"manifest must have two works, one with two recordings that can be decoded, got {len(rows)} "
            f"recordings of {len(set(works))} works in {manifest!r}; {len(rejected)} were left out"
        )
    titles = [f"{f.title or f.work_id} ({f.artist or 'unknown'})" for f, _ in rows]
    ids = [f.recording_id for f, _ in rows]
    data = EvaluationSet("evaluation", ids, titles, works, [c for _, c in rows], models, embeddings)
    return data, rejected
