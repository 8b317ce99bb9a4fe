"""The tags of words: what the labels of training sentences are learnt as, and how they are written again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.data.readers.sentences import Sentence
from throughtime.data.schemes import tell_scheme
from throughtime.data.spans import OUTSIDE, Scheme, check_tags, convert, parse, transitions
from throughtime.errors import DataError, UsageError
from throughtime.ragged import Ragged

if TYPE_CHECKING:
    from throughtime.tasks.label import LabelerConfig

__all__ = ["NOT_SEEN", "Tags", "wholly_seen"]

NOT_SEEN = -1
"""The number of a label that training did not show."""


@dataclass(frozen=True)
class Tags:
    """The tags of the training sentences.

    Attributes:
        labels: the tags that are learnt, by number; of spans those of the scheme ``learnt``.
        counts: how often each occurs in training.
        scheme: of the spans in the file; none where tags are no spans.
        learnt: the scheme that they are learnt as.
        told: why the scheme is taken for that.
    """

    labels: list[str]
    counts: tuple[int, ...] = ()
    scheme: Scheme | None = None
    learnt: Scheme | None = None
    told: str = ""

    @classmethod
    def learn(cls, sentences: Sequence[Sentence], config: LabelerConfig) -> Tags:
        """The distinct tags, by alphabet; of spans all that their types can have.

        Raises:
            DataError: when there are fewer than two; for a tag that its scheme does not allow there, with its line.
            UsageError: a scheme is asked for, and tags are no spans.
        """
        scheme, told = tell_scheme(sentences)
        if scheme is None:
            if config.scheme != "auto":
                raise UsageError(f"--scheme {config.scheme}: expected spans, found {told}")
            counts = Counter(tag for sentence in sentences for tag in sentence.labels or ())
            labels = sorted(counts)
        else:
            learnt: Scheme = "iobes" if config.scheme == "auto" else config.scheme
            for sentence in sentences:
                check_tags(sentence.labels or (), scheme, path=sentence.path, lines=sentence.lines)
            counts = Counter(tag for sentence in sentences for tag in convert(sentence.labels or (), learnt))
            labels = _all_of(counts, learnt)
        if len(counts) < 2:
            found = f"only {next(iter(counts))!r}" if counts else "none"
            path = sentences[0].path if sentences else None
            raise DataError(f"expected at least two different labels to tell apart, found {found}", path=path)
        return cls(labels, tuple(counts[tag] for tag in labels), scheme, learnt if scheme else None, told)

    @classmethod
    def value(cls, sentence: Sentence) -> tuple[str, ...]:
        """A sentence's labels."""
        return tuple(sentence.labels or ())

    @classmethod
    def strata(cls, sentences: Sequence[Sentence]) -> list[str]:
        """All are of one kind."""
        return [""] * len(sentences)

    @classmethod
    def from_json(cls, content: Any) -> Tags:
        """From what ``labels.json`` holds."""
        return cls(**(content | {"counts": tuple(content["counts"])}))

    def to_json(self) -> Any:
        """All of it."""
        return {
            "labels": self.labels,
            "counts": list(self.counts),
            "scheme": self.scheme,
            "learnt": self.learnt,
            "told": self.told,
        }

    def encode(self, sentences: Sequence[Sentence]) -> Ragged:
        """``[N]`` tag numbers; ``NOT_SEEN`` for a label that training did not show: no answer can be right there.

        Raises:
            DataError: for a tag that its scheme does not allow there, with its line.
        """
        numbers = {label: number for number, label in enumerate(self.labels)}
        values: list[int] = []
        for sentence in sentences:
            labels: Sequence[str] = sentence.labels or ()
            if self.scheme is not None and self.learnt is not None:
                check_tags(labels, self.scheme, path=sentence.path, lines=sentence.lines)
                labels = convert(labels, self.learnt)
            values += [numbers.get(label, NOT_SEEN) for label in labels]
        return Ragged.from_lengths(torch.tensor(values), [len(sentence.tokens) for sentence in sentences])

    def constraints(self) -> dict[str, Tensor]:
        """What the scheme that is learnt allows, as :class:`~throughtime.nn.crf.CRF` takes it; nothing without one."""
        if self.learnt is None:
            return {}
        rules = transitions(self.labels, self.learnt)
        names = ("allowed_starts", "allowed_ends", "allowed")
        return {name: torch.from_numpy(rule) for name, rule in zip(names, rules, strict=True)}

    def decode(self, numbers: Sequence[int]) -> list[str]:
        """The labels of one sentence as its file writes them."""
        labels = [self.labels[number] for number in numbers]
        return labels if self.scheme is None else convert(labels, self.scheme)

    def in_words(self) -> str:
        """How many, and what guessing would reach."""
        most = max(self.counts)
        guess = self.labels[self.counts.index(most)]
        labels = f"{len(self.labels)} labels"
        if self.scheme is not None:
            labels = f"{self.told}; learnt as {labels} of {self.learnt}"
        return f"{labels}; always guessing {guess} would be right for {most / sum(self.counts):.1%} of the words"

    def title(self) -> str:
        """What it finds."""
        if self.scheme is None:
            return f"Tagger: {len(self.labels)} labels"
        types = self.types
        return f"Span finder: {', '.join(types)}" if 0 < len(types) <= 6 else "Span finder"

    @property
    def types(self) -> list[str]:
        """The types of spans, by alphabet; none where tags are no spans, or letters alone."""
        found = map(parse, self.labels) if self.scheme else ()
        return sorted({tag.type for tag in found if tag and tag.type})


def _all_of(counts: Counter[str], scheme: Scheme) -> list[str]:
    """All tags that the types met can have: without one of them a sentence of some length might have no path."""
    types = {tag.type for tag in map(parse, counts) if tag and tag.letter != OUTSIDE}
    letters = {"bio": "BI", "iob1": "BI", "iobes": "BIES", "bilou": "BILU"}[scheme]
    return [OUTSIDE, *(f"{letter}-{type}" if type else letter for type in sorted(types) for letter in letters)]


def wholly_seen(targets: Ragged) -> Tensor:
    """The rows, on the CPU, of the sentences without a label that training did not show.

    Args:
        targets: ``[N]`` tag numbers, as :meth:`Tags.encode` gives them.

    >>> wholly_seen(Ragged.from_list([[1, 0], [NOT_SEEN, 1], [2]]))
    tensor([0, 2])
    """
    rows = torch.ones(len(targets), dtype=torch.bool, device=targets.values.device)
    rows[targets.row_of_step[targets.values == NOT_SEEN]] = False
    return rows.nonzero()[:, 0].cpu()
