"""The report's section on the length of texts: how long they are, and whether the model does worse on long ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from throughtime.inspect.card import interval, shown_part
from throughtime.inspect.report.evidence import Answered, Evidence
from throughtime.inspect.report.page import details, figure, grid, section, table
from throughtime.model import Model

__all__ = ["Group", "by_length", "difference", "histogram", "length_edges", "lengths", "spread", "sure"]

GROUPS, FEWEST = 6, 25
"""At most so many groups of lengths, each of about so many texts at least."""
JUDGED = 10
"""Texts that a group needs to be set against another: texts of one length stay together, so a group may be small."""
NAMES = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class Group:
    """Texts of about the same length.

    Attributes:
        shortest, longest: in tokens.
        count: how many texts.
        value: the share of right answers, or the mean absolute error.
        low, high: where the true value lies in 95 of 100 samples; NaN where errors that do not differ say nothing.
        error: the standard error of a mean; none of a share.
        title: what the group is called, where that is not its lengths.
    """

    shortest: int
    longest: int
    count: int
    value: float
    low: float
    high: float
    error: float | None = None
    title: str = ""

    @property
    def name(self) -> str:
        """Such as ``4–9``."""
        if self.title:
            return self.title
        return f"{self.shortest}–{self.longest}" if self.shortest < self.longest else f"{self.shortest}"


def by_length(lengths: np.ndarray, values: np.ndarray) -> list[Group]:
    """Groups of about as many texts each, the shortest first; texts of the same length are in the same one.

    Args:
        lengths: ``[M]``.
        values: ``[M]`` booleans, whether each answer is right; or numbers, how far each is off.

    >>> right = np.arange(100) < 50
    >>> [(group.name, group.count, group.value) for group in by_length(np.arange(100), right)]
    [('0–24', 25, 1.0), ('25–49', 25, 1.0), ('50–74', 25, 0.0), ('75–99', 25, 0.0)]
    """
    place = np.searchsorted(length_edges(lengths, GROUPS, FEWEST), lengths)
    return [_group(lengths[place == number], values[place == number]) for number in np.unique(place)]


def length_edges(lengths: np.ndarray, most: int, fewest: int) -> np.ndarray:
    """The longest of each group but the last, for groups of about as many each.

    Args:
        lengths: ``[M]``.
        most: groups there may be.
        fewest: lengths, about, that a group needs.
    """
    wanted = max(1, min(most, len(lengths) // fewest))
    edges: np.ndarray = np.unique(np.quantile(lengths, np.arange(1, wanted) / wanted, method="lower"))
    return edges


def _group(lengths: np.ndarray, values: np.ndarray) -> Group:
    value, count = float(values.mean()), len(values)
    error = None if values.dtype == bool else _standard_error(values)
    low, high = interval(value, count) if error is None else _around(value, error, count)
    return Group(int(lengths.min()), int(lengths.max()), count, value, low, high, error)


def _standard_error(errors: np.ndarray) -> float:
    return 0.0 if errors.min() == errors.max() else float(errors.std(ddof=1)) / math.sqrt(len(errors))


def _around(mean: float, error: float, count: int) -> tuple[float, float]:
    """By Student's t; no error is below zero."""
    if not error:
        return math.nan, math.nan
    spread = _student(count - 1) * error
    return max(0.0, mean - spread), mean + spread


def _student(freedom: float) -> float:
    """How many standard errors 95 of 100 samples are within."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def difference(first: Group, last: Group) -> tuple[float, float]:
    """Where the true ``last.value - first.value`` lies in 95 of 100 samples.

    Of shares by Newcombe's (1998) tenth method, from the intervals of both; of means by Welch's (1947). Two intervals
    that overlap do not tell: they do so in many samples where the difference is plain.

    >>> shares = [Group(1, 9, 150, share, *interval(share, 150)) for share in (0.7, 0.8)]
    >>> shares[0].high > shares[1].low, [f"{bound:.3f}" for bound in difference(*shares)]
    (True, ['0.002', '0.196'])
    """
    apart = last.value - first.value
    if first.error is None or last.error is None:
        below = math.hypot(last.value - last.low, first.high - first.value)
        above = math.hypot(last.high - last.value, first.value - first.low)
        return apart - below, apart + above
    variances = [first.error**2, last.error**2]
    if not any(variances):
        return apart, apart
    shares = [own / sum(variances) for own in variances]
    freedom = 1 / sum(share**2 / (group.count - 1) for share, group in zip(shares, (first, last), strict=True) if share)
    spread = _student(freedom) * math.sqrt(sum(variances))
    return apart - spread, apart + spread


# ---- the section ----


def lengths(model: Model, evidence: Evidence) -> list[str]:
    """The section; none where no texts are at hand."""
    if not evidence.lengths:
        return []
    figures = [histogram(evidence.lengths)]
    told, numbers = "The texts' lengths in tokens, as the model reads them.", ""
    if (found := shown_part(evidence.answered)) is not None:
        name, own = found
        groups = by_length(own.lengths, _values(model, own))
        figures.insert(0, _scores(model, groups, name))
        told, numbers = _verdict(model, groups, name), _numbers(model, groups)
    hidden = details("The numbers of the pictures", numbers + spread(evidence.lengths))
    return [section("Short texts and long ones", f"<p>{told}</p>\n{grid(figures)}\n{hidden}")]


def _values(model: Model, part: Answered) -> np.ndarray:
    """``[M]``: what is averaged in each group."""
    values: np.ndarray = part.told == part.targets if _classes(model) else part.errors
    return values


def _classes(model: Model) -> bool:
    return model.config.task == "classify"


def _shown(model: Model, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.1%}" if _classes(model) else f"{value:.3g}"


def _verdict(model: Model, groups: list[Group], name: str) -> str:
    """What the picture says, and how sure that is."""
    first, last = groups[0], groups[-1]
    if first is last:
        return f"The {name} data has too few texts, or lengths, to set short ones against long ones."
    told = [_shown(model, group.value) for group in (first, last)]
    what = "right in {} of cases" if _classes(model) else "off by {} on average"
    return (
        f"On the shortest texts of the {name} data ({first.name} tokens) it is {what.format(told[0])}, "
        f"on the longest ({last.name}) {what.format(told[1])}: {sure(first, last)}."
    )


def sure(first: Group, last: Group, things: str = "texts") -> str:
    """Whether the difference of two groups says anything."""
    fewest = min(first.count, last.count)
    if fewest < JUDGED:
        return f"too few {things} to tell that from chance ({fewest} of them in one group)"
    low, high = difference(first, last)
    return "a larger difference than chance makes" if low > 0 or high < 0 else "a difference that chance alone can make"


def _scores(model: Model, groups: list[Group], name: str) -> str:
    # Here, since matplotlib takes a good part of a second to import.
    from throughtime.inspect.report.pictures import draw_groups

    title = "Accuracy" if _classes(model) else "Mean absolute error"
    words = "; ".join(f"{group.name} tokens {_shown(model, group.value)}" for group in groups)
    picture = draw_groups(groups, percent=_classes(model), name="lengths1", words=f"{title} by length: {words}.")
    caption = f"Each group has about as many texts. Bars: 95% intervals. Dotted: all texts of the {name} data."
    return figure(f"{title} by length", picture, caption)


def histogram(
    lengths: Mapping[str, np.ndarray], *, name: str = "lengths", texts: str = "texts", tokens: str = "tokens"
) -> str:
    """The figure of how long they are; ``name`` is for its ids, the others are what it speaks of."""
    from throughtime.inspect.report.pictures import draw_histogram

    told = "; ".join(f"{NAMES[part]}: half of them up to {np.median(own):.0f}" for part, own in lengths.items())
    picture, last = draw_histogram(
        {NAMES[part]: own for part, own in lengths.items()},
        name=f"{name}0",
        words=f"Lengths of the {texts}. {told}.",
        texts=texts,
        tokens=tokens,
    )
    longer = sum(int((own > last).sum()) for own in lengths.values())
    caption = f"{longer:,} {texts} are longer than {last:,} {tokens} and not shown." if longer else ""
    return figure(f"How long the {texts} are", picture, caption)


def _numbers(model: Model, groups: list[Group]) -> str:
    rows = [
        (
            group.name,
            f"{group.count:,}",
            _shown(model, group.value),
            _shown(model, group.low),
            _shown(model, group.high),
        )
        for group in groups
    ]
    title = "accuracy" if _classes(model) else "mean abs. error"
    return table(("tokens", "texts", title, "95% from", "to"), rows, "lnnnn", "By length")


def spread(lengths: Mapping[str, np.ndarray], texts: str = "texts") -> str:
    """The table of how long they are."""
    rows = [
        (NAMES[part], f"{len(own):,}", *(f"{np.quantile(own, share, method='lower'):,}" for share in (0, 0.5, 0.95, 1)))
        for part, own in lengths.items()
    ]
    return table(("data", texts, "shortest", "median", "95% up to", "longest"), rows, "lnnnnn", "Lengths")
