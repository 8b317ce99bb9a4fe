"""Models that answer once for a text, or for an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from throughtime.data.batches import Dataset
from throughtime.data.columns import Example
from throughtime.data.encoded import encode_texts
from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UsageError
from throughtime.model.base import Model, recurrence_in_words
from throughtime.ragged import Ragged
from throughtime.stream import Stream
from throughtime.tasks import TextTask
from throughtime.tasks.pooled import PooledConfig

__all__ = ["TextModel"]


class TextModel(Model):
    """Tells a class or a number of each text; see :class:`~throughtime.model.Model`."""

    vocabulary: Vocabulary | Vectors
    task: TextTask

    def answers(self, texts: Sequence[str]) -> np.ndarray:
        """``[M, K]``: all that the task tells of each text; for classes their probabilities, for ratings see the rater.

        Raises:
            UsageError: for one text in place of a list of them.
        """
        if isinstance(texts, str):
            raise UsageError("expected a list of texts, found one text: put it in a list")
        texts = list(texts)
        if not texts:
            return np.zeros((0, len(self.task.targets.answer_names())), dtype=np.float32)
        batches = self.batches(Dataset(self.vocabulary.encode(texts)))
        rows: list[int] = []
        tables = []
        for batch in batches:
            rows.extend(batch.rows)
            tables.append(self.task.answers(batch.inputs).cpu().numpy())
        table = np.concatenate(tables)
        back = np.empty(len(rows), dtype=np.int64)
        back[rows] = np.arange(len(rows))
        found: np.ndarray = table[back]
        return found

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """``[M, C]``: the probability of each label for each text.

        Raises:
            UsageError: for one text in place of a list of them; from a model whose answers are numbers of any size.
        """
        answers = self.answers(texts)
        if answers.shape[1] < len(self.labels) or not self.labels:
            raise UsageError("expected a model with classes or grades, found one whose answers are plain numbers")
        return answers[:, answers.shape[1] - len(self.labels) :]

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """The most probable label of each text, or its number."""
        return [self.task.targets.cells(answer)[0] for answer in self.answers(texts)]

    def encode(self, examples: Sequence[Example]) -> Dataset:
        """Examples as symbols, or vectors, and targets.

        Raises:
            DataError: for a label that cannot be a target, with its place.
        """
        targets = self.task.targets.encode(examples)
        if isinstance(self.vocabulary, Vectors):
            return Dataset(self.read(examples), targets, examples)
        return Dataset(encode_texts(examples, self.vocabulary).inputs, targets, examples)

    def read(self, examples: Sequence[Example]) -> Ragged:
        """Symbols, or vectors."""
        return self.vocabulary.encode([example.text for example in examples])

    def in_words(self) -> str:
        """Its cell, what a step is, and how all steps become one vector."""
        network, tokens = self.config.network, getattr(self.config.vocabulary, "tokens", "")
        assert isinstance(network, PooledConfig)
        pooling = {"last": "its last state", "attention": "attention over all steps"}
        pooled = pooling.get(network.pooling, f"the {network.pooling} over all steps")
        step = {"word": "words", "char": "characters"}.get(tokens, "pieces of words")
        return f"{recurrence_in_words(network, step)} and {pooled} ({self.parameters:,} weights)"

    def stream(self) -> Stream:
        """See :class:`~throughtime.stream.Stream`; for models of texts that read one way."""
        if isinstance(self.vocabulary, Vectors):
            raise UsageError("expected a model of texts to stream, found one of arrays")
        return Stream(self.task, self.vocabulary)
