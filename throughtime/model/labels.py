"""Models that tell a label of each word of a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from throughtime.data.batches import Dataset
from throughtime.data.lexicon import Lexicon
from throughtime.data.readers.sentences import Sentence
from throughtime.data.words import Words
from throughtime.errors import UsageError
from throughtime.model.base import Model, recurrence_in_words
from throughtime.stream import LabelStream
from throughtime.tasks.label import Labeler, LabelerConfig

__all__ = ["LabelModel"]


class LabelModel(Model):
    """Tells a label of each word; see :class:`~throughtime.model.Model`. Sentences are lists of words."""

    vocabulary: Lexicon
    task: Labeler

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """A label for each word of each sentence, as the training file writes them.

        Raises:
            UsageError: for anything else than sentences of words, such as texts.
        """
        sentences = _as_sentences(sentences)
        labels: list[list[str]] = [[] for _ in sentences]
        rows, data = self._words(sentences)
        for batch in self.batches(data):
            answers = self.task.best(batch.inputs).to("cpu").to_list()
            for row, numbers in zip(batch.rows, answers, strict=True):
                labels[rows[row]] = self.task.targets.decode(numbers)
        return labels

    def probabilities(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """``[T, K]`` for each sentence: the probability of each of the tags that are learnt, ``labels``.

        Raises:
            UsageError: for anything else than sentences of words, such as texts.
        """
        sentences = _as_sentences(sentences)
        tables = [np.zeros((0, len(self.labels)), np.float32)] * len(sentences)
        rows, data = self._words(sentences)
        for batch in self.batches(data):
            answers = self.task.answers(batch.inputs).cpu().numpy()
            parts = np.split(answers, batch.inputs.lengths.cumsum(0)[:-1].tolist())
            for row, part in zip(batch.rows, parts, strict=True):
                tables[rows[row]] = part
        return tables

    def encode(self, examples: Sequence[Sentence]) -> Dataset:
        """Sentences as words and tags.

        Raises:
            DataError: for a tag that its scheme does not allow there, with its line.
        """
        return Dataset(self.read(examples), self.task.targets.encode(examples), examples)

    def read(self, examples: Sequence[Sentence]) -> Words:
        """The distinct words of sentences, and which stands where."""
        return self.vocabulary.encode(sentence.tokens for sentence in examples)

    def in_words(self) -> str:
        """Its cell, what is read of a word, and how tags are chosen."""
        network = self.config.network
        assert isinstance(network, LabelerConfig)
        parts = ["words", *(["their letters"] if self.vocabulary.spelled_out else [])]
        parts += ["their spelling"] if self.vocabulary.spelled else []
        over = " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
        chosen = "a softmax for each word" if self.task.crf is None else "a conditional random field over all tags"
        return f"{recurrence_in_words(network, over)} and {chosen} ({self.parameters:,} weights)"

    def stream(self) -> LabelStream:
        """See :class:`~throughtime.stream.LabelStream`; for models that read one way and tell each tag alone."""
        return LabelStream(self.task, self.vocabulary)

    def _words(self, sentences: Sequence[Sequence[str]]) -> tuple[list[int], Dataset]:
        """The rows that hold words, and these."""
        rows = [row for row, sentence in enumerate(sentences) if len(sentence)]
        return rows, Dataset(self.vocabulary.encode(sentences[row] for row in rows))


def _as_sentences(sentences: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """All of them, which may come once only.

    Raises:
        UsageError: for anything else than sentences of words.
    """
    one = isinstance(sentences, str | bytes) or not isinstance(sentences, Iterable)
    found: list[Any] = [sentences] if one else list(sentences)
    for sentence in found:
        if isinstance(sentence, str | bytes) or not hasattr(sentence, "__len__"):
            what = "a text" if isinstance(sentence, str | bytes) else repr(sentence)
            raise UsageError(f"expected a list of sentences, each a list of words, found {what}")
    return found
