"""Networks by name: one of the lake, a file, the shipped one, or an untrained one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import torch

from covers.audio.features import parameters
from covers.errors import InputError
from covers.io.lake import Lake
from covers.io.model_store import ModelRecord, find, newest
from covers.models import legacy
from covers.models.networks import NETWORKS, CoverNet
from covers.retrieval import embed
from covers.schemas.models import MODELS
from covers.schemas.table import Table
from covers.training.config import PRESETS


@dataclass(frozen=True)
class Network:
    """Weights (None = random) and the settings that say which network they belong to."""

    model_id: str
    weights: bytes | None
    config: dict[str, Any]

    @property
    def net(self) -> torch.nn.Module:
        """The network, ready to embed."""
        return embed.load(
            self.config["architecture"], self.weights, int(self.config.get("seed", 0))
        )

    @property
    def n_transpositions(self) -> int:
        """Rolls tried when two embeddings are compared."""
        return 12 if self.config["architecture"] == "covernet" else 1

    @property
    def tempo_factors(self) -> tuple[float, ...]:
        """Times its tempo that a query is heard at, its own first; the nearest counts."""
        return tuple(self.config.get("tempo_factors", (1.0,)))

    @property
    def segment_s(self) -> tuple[float, float] | None:
        """Length and hop of the stretches that recordings are compared by besides [s]; None: not at all."""
        return self._length_and_hop("segment_s", (40.0, 20.0))

    @property
    def frame_s(self) -> tuple[float, float] | None:
        """Length and hop of the windows that recordings are aligned by besides [s]; None: not at all.

        A window is so many steps of covernet's blocks, and another one begins at each step.
        """
        cut = self._length_and_hop("frame_s", (4.0, 2.0))
        step = CoverNet.STRIDE / parameters("chroma").frames_per_second
        if cut and (cut[1] != step or cut[0] % step):
            raise InputError(
                f"frame_s on a model's card must be a multiple of {step:g} s, and {step:g} s, got "
                f"{list(cut)}; [4, 2] is usual"
            )
        return cut

    def _length_and_hop(self, key: str, usual: tuple[float, float]) -> tuple[float, float] | None:
        """Return what the card says, else what is usual; only a covernet has such passages."""
        covernet = self.config["architecture"] == "covernet"
        said = self.config.get(key, usual if covernet else None)
        if said and not covernet:
            raise InputError(
                f"{key} on a model's card is for covernet, got network {self.config['network']!r}; "
                "take it off"
            )
        return (float(said[0]), float(said[1])) if said else None

    def only(self, **card: Any) -> Network:
        """Return the same network with this on its card: None switches off what is usual."""
        return replace(self, config=self.config | card)


def untrained(like: str = "covernet", seed: int = 0) -> Network:
    """Return a network with random weights."""
    config = PRESETS[like].to_dict() | {"seed": seed}
    return Network(f"untrained-{like}", None, config)


def tables_of(name: str) -> tuple[Table, ...]:
    """Return the tables that hold the network that ``--model`` names; some need none."""
    outside = name in {"untrained", "shipped"} or name.endswith(".safetensors")
    return () if outside else (MODELS,)


def resolve(lake: Lake, name: str) -> Network:
    """Return the network that ``--model`` names: untrained, shipped, latest, a file, or an id.

    Raises
    ------
    InputError
        If there is no such network.
    """
    if name == "untrained":
        return untrained()
    if name == "shipped":
        folder = resources.files("covers.models") / "pretrained"  # a zip's, where the code is one
        return _from_file(folder / "covernet.safetensors", folder / "covernet.json")
    if name.endswith(".safetensors"):
        return _from_file(Path(name), Path(name).with_suffix(".json"))
    model = newest(lake, "covernet") if name == "latest" else find(lake, name)
    if model.kind not in NETWORKS:
        raise InputError(
            f"model must be a network ({', '.join(NETWORKS)}), got {name!r} of kind {model.kind}"
        )
    return of_model(model)


def of_model(model: ModelRecord) -> Network:
    """Return the network of a row of `models`."""
    return Network(model.model_id, Path(model.path).read_bytes(), legacy.card(model.config))


def _from_file(path: Traversable, card: Traversable) -> Network:
    """Read weights, and what they are from their card where there is one."""
    if not path.is_file():
        raise InputError(
            f"model must be untrained, shipped, latest, an id or a .safetensors file, got no "
            f"file there: {str(path)!r}"
        )
    weights = path.read_bytes()
    told = (
        legacy.card(json.loads(card.read_text()))
        if card.is_file()
        else {"architecture": "covernet"}
    )
    config = PRESETS[told["architecture"]].to_dict() | told
    try:
        embed.load(config["architecture"], weights, 0)
    except InputError as error:
        raise InputError(f"{error}; file {str(path)!r}") from error
    return Network(f"file-{hashlib.sha256(weights).hexdigest()[:12]}", weights, config)
