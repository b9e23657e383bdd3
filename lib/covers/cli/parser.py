"""Argument parsing that all jobs share: common flags, checked numbers, flags that were renamed.

*Conventions.* A job's docstring is ``name: description``. Wrong arguments end with exit code 2. Jobs
turn text into values here; the library takes values and raises ValueError or InputError.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

T = TypeVar("T")


def job_parser(doc: str) -> argparse.ArgumentParser:
    """Return a parser with the flags that every job has.

    Parameters
    ----------
    doc : str
        The job's docstring: its name, a colon, and what it does.
    """
    parser = argparse.ArgumentParser(
        prog=doc.split(".")[0].split(":")[0].strip(),
        description=doc.split(":", 1)[1].strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--lake", required=True, metavar="URI", help="folder, or schema:NAME")
    parser.add_argument("--files", metavar="URI", help="model files (default: LAKE/files)")
    parser.add_argument("--seed", type=int, default=123, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--dry-run", action="store_true", help="list the tables read and written, and stop"
    )
    parser.add_argument("--json", metavar="FILE", help="also write the summary as JSON")
    parser.add_argument(
        "--max-quarantined", type=share, default=0.01, metavar="SHARE",
        help="exit with 4 when more of the input is quarantined (default: %(default)s)",
    )  # fmt: skip
    return parser


def share(text: str) -> float:
    """Parse a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a share must be from 0 to 1, got {text}")
    return value


def positive(text: str) -> int:
    """Parse an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"a count must be at least 1, got {text}")
    return value


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return ``parse`` for `add_argument`, so that its ValueError's message reaches the user.

    Of a plain ValueError argparse prints only the name of the function that raised it.
    """

    def parse_or_explain(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parse_or_explain


def renamed_flags(parser: argparse.ArgumentParser, names: Mapping[str, str]) -> None:
    """Make the parser answer flags of earlier versions with the flag to use instead.

    The old flags are hidden from ``--help``. Using one ends the program with exit code 2 and one
    line, ``--old is now --new``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Gets the hidden flags; its namespace does not.
    names : Mapping[str, str]
        For each old flag what to write now: ``{"--picture": "--plot"}``.

    Examples
    --------
    >>> parser = argparse.ArgumentParser(prog="job")
    >>> renamed_flags(parser, {"--parts": "--set micro_batches=N"})
    >>> parser.parse_args([])
    Namespace()
    """
    for old, new in names.items():
        parser.add_argument(
            old, action=_Renamed, nargs="*", default=argparse.SUPPRESS, help=argparse.SUPPRESS,
            metavar=new,
        )  # fmt: skip


class _Renamed(argparse.Action):
    """Ends the program; ``metavar`` holds what the flag is called now."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> NoReturn:
        parser.exit(2, f"{parser.prog}: {option_string} is now {self.metavar}\n")
