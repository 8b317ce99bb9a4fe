"""Whether what must not matter does not: padding, neighbours in the batch, order."""

from __future__ import annotations

import random
from typing import Any

import torch

from throughtime.data.language import LanguageVocabulary
from throughtime.data.lexicon import Lexicon
from throughtime.data.music import Rolls
from throughtime.data.two_sided import TwoSided
from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import EOS, PAD, SOS, SPECIALS
from throughtime.data.words import Words
from throughtime.errors import UsageError
from throughtime.model import Model
from throughtime.ragged import Ragged
from throughtime.tasks import Composer, Generator

__all__ = ["LIMIT", "differences", "random_inputs"]

LIMIT = 1e-6
PADS = 100
CHORD = 0.05  # of the pitches
MOST = 60
"""Symbols, or words, of a random sequence."""


def differences(model: Model, inputs: Any) -> dict[str, float]:
    """The largest change of any answer under each change that must not matter.

    ``PADS`` pads stand behind every sequence; each sequence is alone in its batch; the batch is turned round.

    Args:
        model: whose answers they are.
        inputs: as its vocabulary encodes them.

    Raises:
        UsageError: when there are no answers, as there are none for sentences without words.
    """
    whole = _answers(model, inputs)
    if not len(whole.values):
        raise UsageError("expected sentences with words to try, found none")
    alone = torch.cat([_answers(model, inputs.take([row])).values for row in range(len(inputs))])
    back = torch.arange(len(inputs) - 1, -1, -1)
    return {
        f"{PADS} pads appended": _largest(whole, _answers(model, _padded(inputs))),
        "each row alone": _largest(whole, whole.with_values(alone)),
        "rows in reverse order": _largest(whole, _answers(model, inputs.take(back)).take(back)),
    }


def _answers(model: Model, inputs: Any) -> Ragged:
    """Each sequence's answers: one, or one a step."""
    if isinstance(model.task, Generator | Composer):
        return inputs.with_values(model.task.vectors(inputs))  # type: ignore[no-any-return]
    answers = model.task.answers(inputs)
    return Ragged.from_lengths(answers, inputs.lengths if isinstance(inputs, Words) else [1] * len(inputs))


def _padded(inputs: Any) -> Any:
    """The same sequences, out of a table where pads stand behind them."""
    if isinstance(inputs, Words):
        return Words(_padded(inputs.steps), inputs.forms)
    padded = inputs.to_padded(value=PAD, length=int(inputs.lengths.max()) + PADS)
    return Ragged.from_padded(padded, inputs.lengths)


def random_inputs(model: Model, rows: int, seed: int = 0) -> Any:
    """Texts of 0 to 60 random symbols of the model's vocabulary; or chords, or words, some unknown."""
    if isinstance(model.vocabulary, Vectors):
        raise UsageError("expected a model of texts, found one of arrays")
    draw = random.Random(seed)
    if isinstance(model.vocabulary, Rolls):
        steps = torch.Generator().manual_seed(seed)
        lengths = [draw.randrange(1, MOST + 1) for _ in range(rows)]
        return Ragged.from_lengths(
            (torch.rand(sum(lengths), len(model.vocabulary), generator=steps) < CHORD).float(), lengths
        )
    if isinstance(model.vocabulary, Lexicon):
        words, letters = (found[len(SPECIALS) :] for found in (model.vocabulary.symbols, model.vocabulary.letters))
        unknown = ["".join(draw.choices(letters, k=draw.randint(1, 20))) for _ in range(1 + len(words) // 4)]
        return model.vocabulary.encode(draw.choices(words + unknown, k=draw.randint(1, MOST)) for _ in range(rows))
    if isinstance(model.vocabulary, TwoSided):
        known = range(len(SPECIALS), len(model.vocabulary.source))
        return Ragged.from_list([[*draw.choices(known, k=draw.randrange(MOST + 1)), EOS] for _ in range(rows)])
    symbols = range(len(SPECIALS), len(model.vocabulary))
    if isinstance(model.vocabulary, LanguageVocabulary):
        return Ragged.from_list([[SOS, *draw.choices(symbols, k=draw.randrange(MOST + 1))] for _ in range(rows)])
    texts = [model.vocabulary.decode(draw.choices(symbols, k=draw.randrange(MOST + 1))) for _ in range(rows)]
    return model.vocabulary.encode(texts)


def _largest(one: Ragged, other: Ragged) -> float:
    return float((one.values.double() - other.values.double()).abs().max())
