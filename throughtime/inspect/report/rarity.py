"""The report's sections on rare words and frequent ones, and on short sentences and long ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from throughtime.inspect.card import interval, shown_part
from throughtime.inspect.report.evidence import Evidence
from throughtime.inspect.report.labelled import Labelled
from throughtime.inspect.report.lengths import Group, histogram, length_edges, spread, sure
from throughtime.inspect.report.page import details, figure, grid, section, table

__all__ = ["Scored", "grouped", "rarity", "score_spans", "score_words", "sentence_lengths"]

TIMES = (0, 1, 2, 5, 10, 100)
"""How often the words of a group occur in training, at least."""
NAMES = ("0", "1", "2–4", "5–9", "10–99", "100+")
SEEN = {"0": "that training did not show", "1": "seen once"}
GROUPS, FEWEST = 6, 200
"""At most so many groups of lengths, each of about so many words at least."""


@dataclass(frozen=True)
class Scored:
    """``E`` words or spans, each with its part in a share: the sum of ``gained`` over that of ``whole``.

    Attributes:
        title: of the share, such as ``Accuracy``.
        things: what they are, such as ``words``.
        rows: ``[E]`` the sentence of each.
        times: ``[E]`` how often it, or the rarest of its words, occurs in training.
        lengths: ``[E]`` words of its sentence.
        gained: ``[E]``.
        whole: ``[E]``.
    """

    title: str
    things: str
    rows: np.ndarray
    times: np.ndarray
    lengths: np.ndarray
    gained: np.ndarray
    whole: np.ndarray


def score_words(part: Labelled) -> Scored:
    """The accuracy of words."""
    rows = np.repeat(np.arange(len(part)), part.lengths)
    ones = np.ones(len(rows))
    return Scored("Accuracy", "words", rows, part.counts, part.lengths[rows], part.right * ones, ones)


def score_spans(part: Labelled) -> Scored:
    """The F1 of spans: twice those that are right, of all that are there and all that were told."""
    found: list[tuple[int, int, int, int]] = []
    for row in range(len(part)):
        right, told = map(set, part.spans_of(row))
        for span in sorted(right | told):
            both, begin = span in right and span in told, part.offsets[row]
            rarest = int(part.counts[begin + span.begin : begin + span.end].min())
            found.append((row, rarest, 2 * both, 1 + both))
    rows, times, gained, whole = np.array(found, dtype=np.int64).reshape(-1, 4).T
    return Scored("F1 of spans", "spans", rows, times, part.lengths[rows], gained.astype(float), whole.astype(float))


def grouped(scored: Scored, places: np.ndarray, names: Sequence[str]) -> list[Group]:
    """The share in each group that is not empty, with its interval.

    Words of one sentence are right or wrong together more often than chance would have it, so the interval is not that
    of as many words: it is Wilson's for the number of independent ones whose share has the standard error that is seen
    from sentence to sentence (Kish 1965, "Survey Sampling", the effective sample size).

    Args:
        scored: ``E`` words or spans.
        places: ``[E]`` the group of each.
        names: of the groups.
    """
    return [_group(scored, places == place, names[place]) for place in np.unique(places)]


def _group(scored: Scored, chosen: np.ndarray, name: str) -> Group:
    gained, whole = (np.bincount(scored.rows[chosen], own[chosen]) for own in (scored.gained, scored.whole))
    gained, whole = gained[whole > 0], whole[whole > 0]
    value, sentences = float(gained.sum() / whole.sum()), len(whole)
    variance = float(np.square(gained - value * whole).sum()) / whole.sum() ** 2 * sentences / max(1, sentences - 1)
    # Without any variance nothing is known of how sentences differ: each is taken for one word.
    alike = sentences < 2 or variance == 0
    effective = sentences if alike else min(float(whole.sum()), value * (1 - value) / variance)
    low, high = interval(value, effective)
    lengths = scored.lengths[chosen]
    return Group(int(lengths.min()), int(lengths.max()), len(lengths), value, low, high, title=name)


# ---- the sections ----


def rarity(evidence: Evidence) -> list[str]:
    """The section on words; none where nothing was held out."""
    found = _scored(evidence)
    if found is None:
        return []
    name, scores = found
    groups = [grouped(scored, np.searchsorted(TIMES, scored.times, side="right") - 1, NAMES) for scored in scores]
    told = f"How well it does on words that training showed often, seldom or never (0). {_verdict(groups[0])}"
    if len(scores) > 1:
        told += " A span goes by the rarest of its words."
    figures, numbers = _pictures(scores, groups, name, "times seen in training", "rarity")
    content = f"<p>{told}</p>\n{grid(figures)}\n{details('The numbers of the pictures', numbers)}"
    return [section("Rare words and frequent ones", content)]


def _verdict(groups: Sequence[Group]) -> str:
    first, last = groups[0], groups[-1]
    if first is last:
        return "Here all words are of one kind."
    seen = [SEEN.get(group.title, f"seen {group.title} times") for group in (first, last)]
    return (
        f"Words {seen[0]} are right in {first.value:.1%} of cases, those {seen[1]} in {last.value:.1%}: "
        f"{sure(first, last, 'words')}."
    )


def sentence_lengths(evidence: Evidence) -> list[str]:
    """The section on sentences; none where no lengths are at hand."""
    if not evidence.lengths:
        return []
    told, figures, numbers = "", list[str](), ""
    if (found := _scored(evidence)) is not None:
        name, scores = found
        edges = length_edges(scores[0].lengths, GROUPS, FEWEST)
        groups = [grouped(scored, np.searchsorted(edges, scored.lengths), [""] * GROUPS) for scored in scores]
        told = _told(groups[0], name)
        figures, numbers = _pictures(scores, groups, name, "words in the sentence", "sentences")
    figures.append(histogram(evidence.lengths, name="sentences", texts="sentences", tokens="words"))
    hidden = details("The numbers of the pictures", numbers + spread(evidence.lengths, texts="sentences"))
    content = f"<p>Lengths are in words. {told}</p>\n{grid(figures)}\n{hidden}"
    return [section("Short sentences and long ones", content)]


def _told(groups: Sequence[Group], name: str) -> str:
    first, last = groups[0], groups[-1]
    if first is last:
        return f"The {name} data has too few words, or lengths, to set short sentences against long ones."
    return (
        f"In the shortest ones of the {name} data ({first.name}) words are right in {first.value:.1%} of cases, in the "
        f"longest ({last.name}) in {last.value:.1%}: {sure(first, last, 'words')}."
    )


def _scored(evidence: Evidence) -> tuple[str, list[Scored]] | None:
    """Of the test data or else the validation data, which is named: words, and spans where there are some."""
    found = shown_part(evidence.labelled)
    if found is None:
        return None
    name, own = found
    scores = [score_words(own), *([score_spans(own)] if own.spans else [])]
    return name, [scored for scored in scores if len(scored.rows)]


def _pictures(
    scores: Sequence[Scored], groups: Sequence[list[Group]], data: str, axis: str, name: str
) -> tuple[list[str], str]:
    """The figures, and the tables of their numbers."""
    # Here, since matplotlib takes a good part of a second to import.
    from throughtime.inspect.report.pictures import draw_groups

    figures, numbers = [], ""
    for at, (scored, own) in enumerate(zip(scores, groups, strict=True), 1):
        title = f"{scored.title} by {axis}"
        words = f"{title}: {'; '.join(f'{group.name} {group.value:.1%}' for group in own)}."
        whole = scored.gained.sum() / scored.whole.sum()
        picture = draw_groups(own, percent=True, name=f"{name}{at}", words=words, whole=whole, axis=axis)
        caption = f"Bars: 95% intervals. Dotted: all {scored.things} of the {data} data."
        figures.append(figure(title, picture, caption))
        rows = [
            (group.name, f"{group.count:,}", f"{group.value:.1%}", f"{group.low:.1%}", f"{group.high:.1%}")
            for group in own
        ]
        numbers += table((axis, scored.things, scored.title, "95% from", "to"), rows, "lnnnn", title)
    return figures, numbers
