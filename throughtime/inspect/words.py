"""Durations and sizes at a glance."""

from __future__ import annotations

__all__ = ["bytes_in_words", "seconds_in_words"]


def seconds_in_words(seconds: float) -> str:
    """A duration at a glance.

    >>> [seconds_in_words(s) for s in (0.4, 42, 95, 7300)]
    ['0.4 s', '42 s', '1 min 35 s', '2 h 1 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def bytes_in_words(count: float) -> str:
    """A size at a glance.

    >>> bytes_in_words(3_200_000)
    '3.2 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.1f} {unit}" if unit != "bytes" else f"{count:.0f} bytes"
        count /= 1000
    raise AssertionError("unreachable")
