"""One file a spark-submit entry: parse, read, call lib, write, print a summary."""

import importlib
from typing import Any

RENAMED = {"join_networks": "build_ensemble"}


def load(name: str) -> Any:
    """Return the `Job` of this name.

    Raises
    ------
    ValueError
        If there is none; for a renamed job the message has its new name.
    """
    if name in RENAMED:
        raise ValueError(f"{name} is now {RENAMED[name]}")
    try:
        return importlib.import_module(f"covers.jobs.{name}").JOB
    except ModuleNotFoundError as error:
        if error.name != f"covers.jobs.{name}":
            raise
        raise ValueError(f"job must be the name of a module in jobs/, got {name!r}") from error
