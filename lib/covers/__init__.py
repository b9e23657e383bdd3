"""Find cover songs: a pretrained network, search, comparison and evaluation; jobs that train one.

    >>> import covers
    >>> comparison = covers.compare("a.mp3", "b.mp3")                            # doctest: +SKIP
    >>> covers.ReferenceSet.read("/data/lake").search("query.mp3", k=5)          # doctest: +SKIP

What is named in ``__all__`` is the public interface (docs/api.md). It needs neither Spark nor a JVM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covers.api import ReferenceSet, chroma, compare, embed, evaluate, load_model
    from covers.errors import InputError
    from covers.models.model import EmbeddingModel
    from covers.retrieval.embedding import TrackEmbeddings
    from covers.retrieval.search import Comparison

__version__ = "0.2.0"
_MODULES = {
    "InputError": "covers.errors",
    "EmbeddingModel": "covers.models.model",
    "TrackEmbeddings": "covers.retrieval.embedding",
    "Comparison": "covers.retrieval.search",
}
__all__ = [
    "Comparison", "EmbeddingModel", "InputError", "ReferenceSet", "TrackEmbeddings", "chroma", "compare",
    "embed", "evaluate", "load_model",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Loaded when first used: torch and numba take seconds, and jobs need other parts of the package.
    if name not in __all__:
        raise AttributeError(f"module 'covers' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES.get(name, "covers.api")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
