"""Errors that a job turns into an exit code and one line (exit codes: docs/operations.md)."""

from __future__ import annotations


class InputError(ValueError):
    """An input is missing or invalid; nothing was written (exit code 3)."""


class SchemaMismatch(InputError):
    """A table or a DataFrame does not have the columns of its schema."""


class TrainingFailed(RuntimeError):
    """A rank died or stalled, losses diverged or embeddings collapsed (exit code 5)."""
