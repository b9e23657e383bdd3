"""Settings of a dataclass as text, KEY=VALUE, and checks that values have the declared types.

*Conventions.* A setting is declared ``int``, ``float``, ``bool``, ``str`` or ``str | None``. As text a
bool is ``true`` or ``false``, and ``none`` is None where that is allowed. An integer passes as a float.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

_NAMES = {int: "an integer", float: "a finite number", bool: "true or false", str: "text"}


def types_of(config: type) -> dict[str, Any]:
    """Return the declared type of each field of a dataclass."""
    hints = get_type_hints(config)
    return {field.name: hints[field.name] for field in fields(config)}


def check_types(config: Any) -> None:
    """Check that every field of a dataclass has the type it declares.

    Raises
    ------
    ValueError
        Names the first field that has not, with its value.
    """
    for name, kind in types_of(type(config)).items():
        value, allowed = getattr(config, name), get_args(kind) or (kind,)
        if float in allowed and isinstance(value, int) and not isinstance(value, bool):
            continue
        # A bool is an int to isinstance; True must not pass for 1.
        if type(value) not in allowed or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{name} must be {_NAMES[allowed[0]]}, got {value!r}")


def parse_settings(pairs: Iterable[str], types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of KEY=VALUE texts by key, each of its declared type; the last one counts.

    Parameters
    ----------
    pairs : iterable of str
    types : Mapping[str, type]
        Declared type of every setting that may be given, as `types_of` returns it.

    Raises
    ------
    ValueError
        If a key is unknown (the message names the closest ones) or a value does not parse.

    Examples
    --------
    >>> parse_settings(["epochs=3", "init_weights=none"], {"epochs": int, "init_weights": str | None})
    {'epochs': 3, 'init_weights': None}
    """
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"a setting must be KEY=VALUE, got {pair!r}")
        if key not in types:
            close = difflib.get_close_matches(key, types, n=3, cutoff=0.4) or sorted(types)
            raise ValueError(f"setting {key!r} is unknown; closest: {', '.join(close)}")
        found[key] = _parse(key, text, get_args(types[key]) or (types[key],))
    return found


def _parse(key: str, text: str, allowed: tuple[type, ...]) -> Any:
    kind = allowed[0]
    if type(None) in allowed and text == "none":
        return None
    if kind is bool and text in ("true", "false"):
        return text == "true"
    try:
        value = None if kind is bool else kind(text)
    except ValueError:
        value = None
    if value is None or (kind is float and not math.isfinite(value)):
        raise ValueError(f"{key} must be {_NAMES[kind]}, got {text!r}")
    return value
