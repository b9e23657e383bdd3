"""Terminal output: summaries as grids, the current step, training progress.

*Conventions.* Keys of a summary are identifiers, the same in ``--json``; on the terminal their
underscores are spaces.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

Summary = Mapping[str, object]
console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)


def show(title: str, summary: Summary) -> None:
    """Print a summary: plain values in one grid, each list of dicts in a grid of its own.

    Nested dicts are for ``--json`` and are not printed.
    """
    console.print(f"[bold green]{title}[/]")
    grid = Grid(show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    listings = {k: v for k, v in summary.items() if isinstance(v, list) and v}
    for name, value in summary.items():
        if name not in listings and not isinstance(value, dict):
            grid.add_row(_label(name), _text(value))
    if grid.row_count:
        console.print(grid)
    for name, rows in listings.items():
        console.print(f"{_label(name)}:")
        listing = Grid()
        for column in rows[0]:
            listing.add_column(_label(column), overflow="fold")
        for row in rows:
            listing.add_row(*(_text(v) for v in row.values()))
        console.print(listing)


def announce(text: str) -> None:
    """Print the current step."""
    console.print(f"  [dim]{text}[/]")


def print_progress(name: str, message: Mapping[str, Any]) -> None:
    """Print a message of a training run in one line: an epoch's metrics, progress, or a warning.

    Parameters
    ----------
    name : str
        What is trained.
    message : Mapping[str, Any]
        As the training writes them; ``kind`` is ``epoch``, ``progress``, or a warning's.
    """
    if message["kind"] == "epoch":
        _print_epoch(name, message)
    elif message["kind"] == "progress":
        minutes, seconds = divmod(round(message["eta_s"]), 60)
        console.print(
            f"  [dim]{name}  epoch {message['epoch']}/{message['n_epochs']}  "
            f"step {message['step']}/{message['n_steps']}  loss {message['loss']:.4f}  "
            f"{message['triplets_per_s']:,.0f} triplets/s  {message['waiting']:.0%} waiting for data  "
            f"{minutes} min {seconds:02d} s left[/]"
        )
    else:
        console.print(f"  [yellow]{name}: {message['text']}[/]")


def _print_epoch(name: str, epoch: Mapping[str, Any]) -> None:
    accuracy = epoch["validation_triplet_accuracy"]
    console.print(
        f"  {name}  epoch {epoch['epoch']:>3}  loss {epoch['loss']:.4f}  validation triplet accuracy "
        f"{'-' if accuracy is None else f'{accuracy:.1%}'}  "
        f"{epoch['n_triplets'] / max(epoch['seconds'], 1e-9):,.0f} triplets/s"
    )


def _label(key: str) -> str:
    return key.replace("_", " ")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
