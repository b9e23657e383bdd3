"""Search and comparison in a lake, as `find_covers` answers: plain data for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from covers.io.lake import Lake
from covers.models import registry
from covers.models.model import EmbeddingModel
from covers.retrieval import reference_reader, search
from covers.retrieval.reference_reader import Tables
from covers.retrieval.reference_set import ReferenceSet
from covers.retrieval.search import Match
from covers.schemas.embeddings import EMBEDDINGS
from covers.schemas.recordings import RECORDINGS
from covers.schemas.sequence_embeddings import SEQUENCE_EMBEDDINGS
from covers.schemas.spectrograms import SPECTROGRAMS


def search_lake(lake: Lake, model_name: str, audio: Sequence[str], *, k: int) -> dict[str, object]:
    """Return the k best matches of each file, and whether the first is a cover.

    Raises
    ------
    InputError
        If a file cannot be read, or the model has embedded nothing.
    """
    model = registry.resolve(lake, model_name)
    references, tables = read_references(lake, model)
    verdicts: list[dict[str, object]] = []
    listed: list[dict[str, object]] = []
    matches: list[dict[str, object]] = []
    for path in audio:
        query = search.read_query(path, model)
        found = search.search(references, query, k)
        if model.card.frame_s is None:  # matches are located by chroma then
            ids = [m.recording_id for m in found]
            chromas = reference_reader.load_tensors(tables.spectrograms, ids, "chroma")
            found = search.search(references, query, k, chromas)
        verdicts.append({"query": path, "verdict": search.verdict(found[0])})
        listed += [_listed(m) for m in found]
        matches += [{"query": path} | m.to_dict() for m in found]
    return {
        "model": model.model_id,
        "n_references": len(references),
        "verdicts": verdicts,
        "best": listed,
        "details": {"matches": matches},  # everything, for --json
    }


def _listed(match: Match) -> dict[str, object]:
    """Return what the terminal shows of a match."""
    return {
        "rank": match.rank,
        "title": match.title or match.recording_id,
        "artist": match.artist,
        "probability": "-" if match.probability is None else f"{match.probability:.1%}",
        "recording_id": match.recording_id,
        "query_at": search.clock(match.place.span_query),
        "matches_at": search.clock(match.place.span_reference),
    }


def compare_in_lake(lake: Lake, model_name: str, pair: Sequence[str]) -> dict[str, object]:
    """Return whether two files are covers of one work.

    Where the lake has enough embeddings of the model, they normalise the scores.
    """
    model = registry.resolve(lake, model_name)
    references = None
    if lake.exists(EMBEDDINGS) and lake.exists(RECORDINGS):
        found, _ = read_references(lake, model, allow_empty=True)
        references = found if len(found) else None
    a, b = (search.read_query(path, model) for path in pair)
    comparison = search.compare(a, b, model, references)
    return {
        "model": model.model_id,
        "first": pair[0],
        "second": pair[1],
        "n_references": len(references) if references else 0,
        **asdict(comparison),
    }


def read_references(
    lake: Lake, model: EmbeddingModel, *, allow_empty: bool = False
) -> tuple[ReferenceSet, Tables]:
    """Return what a model has embedded in the lake, and the snapshots it was read from."""
    optional = [
        lake.snapshot(t) if lake.exists(t) else None for t in (SEQUENCE_EMBEDDINGS, SPECTROGRAMS)
    ]
    tables = Tables(lake.snapshot(RECORDINGS), lake.snapshot(EMBEDDINGS), *optional)
    files_uri = lake.files if lake.schema is None or lake.files_uri else None
    return reference_reader.read_tables(tables, model, files_uri, allow_empty=allow_empty), tables
