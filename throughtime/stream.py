"""A model that answers while it reads: state in, state out, equal to the whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from throughtime.data.lexicon import Lexicon
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UsageError
from throughtime.tasks import Labeler, TextTask

__all__ = ["LabelStream", "Stream"]


class Stream:
    """Reads a text piece by piece. The state is the caller's: keep it, copy it, go back to it.

    Args:
        task: a one-directional task.
        vocabulary: its symbols.

    Raises:
        UsageError: when the model reads both ways, and so cannot answer before the end.

    After any piece the answer is that of the whole text so far, as ``model.answers`` gives it,
    provided that pieces end where words do (for characters, anywhere). ``max_length`` does not cut a stream.
    """

    def __init__(self, task: TextTask, vocabulary: Vocabulary) -> None:
        _check_one_way(bidirectional=task.bidirectional)
        self._task, self._vocabulary = task.eval(), vocabulary
        self._device = next(task.parameters()).device
        self._sos, self._eos = vocabulary.encode([""])[0].split(1)
        self.labels = task.targets.labels
        self._names = task.targets.answer_names()

    def start(self) -> Any:
        """The state before anything is read."""
        return self._feed(self._sos, None)[1]

    def step(self, piece: str, state: Any) -> tuple[dict[str, float], Any]:
        """Read a piece of text: the answer for all that was read so far, and the state after it.

        The answer is the probability of each class; of a rating the number as ``predicted``, and each grade's.
        """
        _, state = self._feed(self._vocabulary.encode([piece], cut=False)[0][1:-1], state)
        outputs, _ = self._feed(self._eos, state)
        return dict(zip(self._names, self._task.read(outputs)[0].tolist(), strict=True)), state

    @torch.no_grad()
    def _feed(self, symbols: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits = torch.empty(0)
        for symbol in symbols.split(1):
            logits, state = self._task.step(symbol.to(self._device), state)
        return logits, state


class LabelStream:
    """Labels a sentence word by word. The state is the caller's: keep it, copy it, go back to it.

    Args:
        task: a one-directional labeler without a CRF.
        lexicon: its words and letters.

    Raises:
        UsageError: when the model reads both ways, or tells a sentence's tags together, and so cannot answer before
            the end.

    Each answer is that of the whole sentence, as ``model.probabilities`` gives it.
    """

    def __init__(self, task: Labeler, lexicon: Lexicon) -> None:
        _check_one_way(bidirectional=task.bidirectional)
        if task.crf is not None:
            raise UsageError(
                "expected a model that tells each tag alone, found one that tells a sentence's tags together: "
                "train with --decoder softmax to stream"
            )
        self._task, self._lexicon = task.eval(), lexicon
        self._device = next(task.parameters()).device
        self.labels = task.targets.labels

    def start(self) -> Any:
        """The state before anything is read."""
        return None

    @torch.no_grad()
    def step(self, word: str, state: Any) -> tuple[dict[str, float], Any]:
        """Read a word: the probability of each of its tags, and the state after it."""
        answers, state = self._task.step(self._lexicon.encode([[word]]).to(self._device), state)
        return dict(zip(self.labels, answers[0].tolist(), strict=True)), state


def _check_one_way(*, bidirectional: bool) -> None:
    if bidirectional:
        raise UsageError(
            "expected a model that reads one way, found one that reads both ways: "
            "train with --no-bidirectional to stream"
        )
