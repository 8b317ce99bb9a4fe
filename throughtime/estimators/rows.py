"""Texts in whatever holds them, and answers in what holds the questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from throughtime.errors import UsageError

__all__ = ["answers_like", "list_of_texts", "listed"]


def list_of_texts(X: Any) -> list[str]:
    """All of them, whatever holds them.

    Raises:
        ValueError: something else than texts; the row is counted from 0.
        UsageError: one text in the place of a list.
    """
    texts = listed(X, "texts")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"expected only texts, found {text!r} in row {row}")
    return [str(text) for text in texts]  # a NumPy array may hold some of its own


def listed(rows: Any, what: str) -> list[Any]:
    """As a list what iterates over rows; ``what`` they are is said in errors.

    Raises:
        ValueError: it does not, or in no order.
        UsageError: one text in the place of a list.
    """
    if isinstance(rows, str):
        raise UsageError(f"expected a list of {what}, found one text: put it in a list")
    if isinstance(rows, Mapping | Set) or not isinstance(rows, Iterable):
        raise ValueError(f"expected a list of {what}, found {type(rows).__name__}")
    return list(rows)


def answers_like(X: Any, answers: list[Any]) -> Any:
    """As an array of objects where ``X`` is an array, or a Series: ``cross_val_predict`` puts such parts together."""
    if not hasattr(X, "__array__"):
        return answers
    array = np.empty(len(answers), dtype=object)
    for row, answer in enumerate(answers):
        array[row] = answer
    return array
