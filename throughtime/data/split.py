"""Splitting rows so that every class keeps its share, or so that what belongs together stays together."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from throughtime.errors import DataError, UsageError

__all__ = ["grouped_split", "stratified_split"]


def stratified_split(labels: Sequence[str], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split row numbers into those kept and those held out, every class in proportion.

    About `fraction` of all rows is held out, at least one, and never a class's last row. Equal arguments give
    equal splits.

    Raises:
        UsageError: the fraction is not between 0 and 1.
        DataError: no class has two rows, so that none can be held out.

    >>> kept, held_out = stratified_split(["ham"] * 8 + ["spam"] * 4, fraction=0.25, seed=0)
    >>> len(kept), [sum(row >= 8 for row in rows) for rows in (kept, held_out)]
    (9, [3, 1])
    """
    _check(fraction)
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    if all(len(own) < 2 for own in rows.values()):
        several = f"a class with two rows or more to hold some out, found {len(rows)} classes of one row each"
        one = "two rows or more to hold some out, found one"
        raise DataError(f"expected {several if len(rows) > 1 else one if rows else 'rows to split, found none'}")
    draw = random.Random(seed)
    shares = _shares({label: len(own) for label, own in rows.items()}, fraction, draw)
    held_out = {row for label, own in rows.items() for row in draw.sample(own, shares[label])}
    return [row for row in range(len(labels)) if row not in held_out], sorted(held_out)


def grouped_split(groups: Sequence[Hashable], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Split row numbers into those kept and those held out, rows of one group all on one side.

    Whole groups are held out by the seed until about `fraction` of all rows is, at least one group and never all; one
    that would be too much is passed over.

    Raises:
        UsageError: the fraction is not between 0 and 1.
        DataError: there are fewer than two groups, so that none can be held out.

    >>> kept, held_out = grouped_split(["read", "lead", "read", "live", "live"], fraction=0.4, seed=4)
    >>> kept, held_out
    ([0, 1, 2], [3, 4])
    """
    _check(fraction)
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    if len(rows) < 2:
        raise DataError(f"expected two different rows or more to hold some out, found {len(rows) or 'none'}")
    drawn = list(rows.values())
    random.Random(seed).shuffle(drawn)
    wanted = max(1, round(len(groups) * fraction))
    held_out: list[int] = []
    for own in drawn[:-1]:
        if len(held_out) + len(own) <= wanted:
            held_out += own
    held_out = held_out or min(drawn, key=len)
    taken = set(held_out)
    return [row for row in range(len(groups)) if row not in taken], sorted(held_out)


def _check(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise UsageError(f"expected a fraction between 0 and 1 to hold out, found {fraction}")


def _shares(sizes: dict[str, int], fraction: float, draw: random.Random) -> dict[str, int]:
    """Give how many rows each class hands over: its part rounded down, then the largest remainders get one more.

    Rounding each class alone would take nothing at all from many small classes.
    """
    shares = {label: min(int(size * fraction), size - 1) for label, size in sizes.items()}
    open_to_more = [label for label, size in sizes.items() if shares[label] < size - 1]
    draw.shuffle(open_to_more)  # or equal remainders would always favour the classes that come first
    open_to_more.sort(key=lambda label: shares[label] - sizes[label] * fraction)
    missing = max(1, round(sum(sizes.values()) * fraction)) - sum(shares.values())
    for label in open_to_more[: max(0, missing)]:
        shares[label] += 1
    return shares
