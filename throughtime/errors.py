"""Every error a user can meet.

::

    ThroughtimeError            exit code 1: the work failed
    ├── UsageError              exit code 2: options that do not fit together or the model
    ├── DataError               exit code 2: a file's content, with its path, line and column
    ├── ModelError              exit code 2: a model folder that is missing, altered or too new
    └── TrainingError           exit code 1: training could not go on
        └── NonFiniteLossError  the loss or its gradient became NaN or infinite

Messages are one clear sentence that says what was expected and what was found; the command prints them on
standard error without a traceback and ends with the class's ``exit_code``.
"""

from __future__ import annotations

from os import PathLike

__all__ = ["DataError", "ModelError", "NonFiniteLossError", "ThroughtimeError", "TrainingError", "UsageError"]


class ThroughtimeError(Exception):
    """The root of the tree: catch it to catch everything this package raises on purpose."""

    exit_code = 1


class UsageError(ThroughtimeError):
    """Options or arguments that do not fit together, or do not fit the model at hand."""

    exit_code = 2


class DataError(ThroughtimeError):
    """Content of a file that cannot be used.

    Args:
        message: one sentence: what was expected, what was found.
        path: the file, where there is one.
        line: line in that file, counted from 1.
        column: the column's name or its number from 1.

    >>> print(DataError("expected 2 fields, found 3", path="a.csv", line=7))
    a.csv, line 7: expected 2 fields, found 3
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        column: str | int | None = None,
    ) -> None:
        self.message, self.path, self.line, self.column = message, path, line, column
        place = [str(path)] if path is not None else []
        if line is not None:
            place.append(f"line {line}")
        if column is not None:
            place.append(f"column {column!r}" if isinstance(column, str) else f"column {column}")
        super().__init__(f"{', '.join(place)}: {message}" if place else message)


class ModelError(ThroughtimeError):
    """A model folder that is missing, incomplete, altered, or written in a newer format."""

    exit_code = 2


class TrainingError(ThroughtimeError):
    """Training could not go on; what was reached so far is kept."""


class NonFiniteLossError(TrainingError):
    """The loss or the norm of its gradient became NaN or infinite."""
