"""Networks by name: one of the lake, a file, the shipped one, or an untrained one."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lib.io.errors import InputError
from lib.io.files import sha256_of
from lib.io.lake import Lake
from lib.io.models import find, newest
from lib.training.config import PRESETS
from lib.training.networks import NETWORKS


@dataclass(frozen=True)
class Network:
    """Weights (None = random) and the settings that say which network they belong to."""

    model_id: str
    path: str | None
    config: dict[str, Any]

    @property
    def weights(self) -> bytes | None:
        """Content of the weights' file; None = random."""
        return Path(self.path).read_bytes() if self.path else None

    @property
    def n_rolls(self) -> int:
        """Rolls tried when two embeddings are compared."""
        return 12 if self.config["network"] == "covernet" else 1


def untrained(like: str = "covernet", seed: int = 0) -> Network:
    """Return a network with random weights."""
    config = PRESETS[like].to_dict() | {"seed": seed}
    return Network(f"untrained-{like}", None, config)


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
        return _from_file(_shipped())
    if name.endswith(".safetensors"):
        return _from_file(Path(name))
    model = newest(lake, "covernet") if name == "latest" else find(lake, name)
    if model.kind not in NETWORKS:
        raise InputError(
            f"model must be a network ({', '.join(NETWORKS)}), got {name!r} of kind {model.kind}"
        )
    return Network(model.model_id, model.path, model.config)


def _shipped() -> Path:
    """Return the shipped weights as a file, copied out where the code runs from a zip."""
    shipped = resources.files("lib.retrieval").joinpath("shipped")
    if not shipped.is_dir():
        raise InputError(
            "model 'shipped' must come with this version, got none; train one and say latest"
        )
    folder = Path(tempfile.mkdtemp())
    for item in shipped.iterdir():
        (folder / item.name).write_bytes(item.read_bytes())
    return folder / "covernet.safetensors"


def _from_file(path: Path) -> Network:
    card = path.with_suffix(".json")
    if not path.is_file():
        raise InputError(
            f"model must be untrained, shipped, latest, an id or a .safetensors file, got no "
            f"file there: {str(path)!r}"
        )
    config = json.loads(card.read_text()) if card.is_file() else PRESETS["covernet"].to_dict()
    return Network(f"file-{sha256_of(path)[:12]}", str(path), config)
