"""Embedding models: weights and the card that says how to use them.

*Conventions.* Weights are bytes of a .safetensors file, or None for random weights by the card's seed. A
model can be pickled and sent to Spark workers; the module is built where it is used, once a process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as deserialize

from covers.errors import InputError
from covers.models import factory
from covers.models.card import ModelCard, card_from_dict


@dataclass(frozen=True)
class EmbeddingModel:
    """A network ready to embed, and its card."""

    model_id: str
    weights: bytes | None
    card: ModelCard

    @property
    def module(self) -> torch.nn.Module:
        """The network, in eval mode, on the CPU."""
        return load_module(self.card.architecture, self.weights, self.card.seed)

    @property
    def embedding_shape(self) -> tuple[int, ...]:
        """Shape of an embedding: (d,), or (12, d) if it has transpositions."""
        return factory.embedding_shape(self.module)

    @property
    def n_transpositions(self) -> int:
        """Transpositions that two embeddings are compared at: 12 or 1."""
        return factory.n_transpositions_of(self.module)

    def with_card(self, **changes: object) -> EmbeddingModel:
        """Return the same weights with some entries of the card changed."""
        return replace(self, card=replace(self.card, **changes))  # type: ignore[arg-type]


@lru_cache(maxsize=4)
def load_module(architecture: str, weights: bytes | None, seed: int) -> torch.nn.Module:
    """Return a network in eval mode; without weights they are random by ``seed``.

    The random state of torch is left as it was.

    Raises
    ------
    InputError
        If the bytes are not a .safetensors file of this architecture's weights.
    """
    # Not in inference mode, in which a caller may be: its tensors could not be trained or saved later.
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
        torch.manual_seed(seed)
        if not weights:
            return factory.build(architecture).eval()
        try:
            return factory.with_weights(architecture, deserialize(weights)).eval()
        except (RuntimeError, SafetensorError) as error:
            raise InputError(
                f"weights must be those of {architecture}, got others ({str(error).splitlines()[0]})"
            ) from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread, then in as many as before.

    Its threads wait by spinning: on a busy machine two of them took 20 times as long as one to embed a
    track, on an idle one they gain little.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def load_pretrained() -> EmbeddingModel:
    """Return the model that comes with the package ("shipped"): docs/model_card.md."""
    folder = resources.files("covers.models") / "pretrained"  # in a zip, where the code is one
    return _from_file(folder / "covernet.safetensors", folder / "covernet.json")


def load_file(path: str | Path) -> EmbeddingModel:
    """Return the model of a .safetensors file and of the card beside it, ``NAME.json``.

    Without a card it is a CoverNet.

    Raises
    ------
    InputError
        If the file is missing, or it or its card cannot be used.
    """
    return _from_file(Path(path), Path(path).with_suffix(".json"))


def untrained(architecture: str = "covernet", seed: int = 0) -> EmbeddingModel:
    """Return a model with random weights.

    Raises
    ------
    InputError
        If the architecture is unknown.
    """
    card = card_from_dict({"architecture": architecture, "seed": seed})
    return EmbeddingModel(f"untrained-{architecture}", None, card)


def is_stand_alone(name: str) -> bool:
    """Tell whether a ``--model`` needs no lake: shipped, untrained or a file."""
    return name in {"shipped", "untrained"} or name.endswith(".safetensors")


def load_stand_alone(name: str) -> EmbeddingModel:
    """Return the model that a stand-alone ``--model`` names.

    Raises
    ------
    InputError
        If there is none.
    """
    if name == "shipped":
        return load_pretrained()
    if name == "untrained":
        return untrained()
    if name.endswith(".safetensors"):
        return load_file(name)
    raise InputError(
        f"model must be shipped, untrained or a .safetensors file where there is no lake, got {name!r}"
    )


def _from_file(path: Traversable, card: Traversable) -> EmbeddingModel:
    if not path.is_file():
        raise InputError(
            f"model must be untrained, shipped, latest, an id or a .safetensors file, got no file "
            f"there: {str(path)!r}"
        )
    weights = path.read_bytes()
    try:
        stored = json.loads(card.read_text()) if card.is_file() else {}
        found = card_from_dict(stored)
        load_module(found.architecture, weights, found.seed)
    except (InputError, json.JSONDecodeError) as error:
        raise InputError(f"{error}; file {str(path)!r}") from error
    return EmbeddingModel(f"file-{hashlib.sha256(weights).hexdigest()[:12]}", weights, found)
