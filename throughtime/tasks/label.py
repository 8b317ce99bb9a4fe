"""Label: a tag for every word of a sentence (many to many, aligned)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress
from typing import Any, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.config import Config
from throughtime.data.batches import Batch
from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.pretrained import vectors_size
from throughtime.data.spans import read_spans
from throughtime.data.vocabulary import SPECIALS, UNK
from throughtime.data.words import Words
from throughtime.errors import UsageError
from throughtime.metrics import SpanCounts
from throughtime.nn.crf import CRF
from throughtime.nn.dropout import rarity, sequence_dropout
from throughtime.nn.encoder import CELLS
from throughtime.nn.init import initialise_recurrent
from throughtime.nn.linear import Linear
from throughtime.nn.recurrent import Recurrent
from throughtime.nn.words import WordEncoder
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering
from throughtime.tasks.tags import NOT_SEEN, Tags, wholly_seen
from throughtime.tasks.targets import Measure, known

__all__ = ["Labeler", "LabelerConfig"]

Heard = Callable[[Batch, Sequence[Sequence[str]], Tensor], None]

EMBEDDING_SIZE = 100
"""Of words, where neither an option nor a file of vectors says it."""


class LabelerConfig(Config):
    """What the labeler is made of."""

    cell: Literal["elman", "lstm", "gru"] = Field("lstm", description="the recurrence")
    hidden_size: int = Field(200, ge=1, description="hidden units of each direction")
    num_layers: int = Field(1, ge=1, description="recurrences stacked")
    bidirectional: bool = Field(True, description="read both ways; a model that streams reads one way")
    embedding_size: int | None = Field(
        None, ge=1, description="size of the learnt embeddings of words (100, or what the vectors have)"
    )
    vectors: str | None = Field(
        None, description="begin with the word vectors of this file, in word2vec's or GloVe's text format"
    )
    character_size: int = Field(32, ge=1, description="size of the learnt embeddings of letters")
    character_hidden: int = Field(50, ge=1, description="hidden units of each direction over a word's letters")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="share hidden of words' vectors, between layers and before tags"
    )
    word_dropout: float = Field(
        1.0, ge=0, description="a word seen n times is shown as <unk> with probability x / (x + n) in training"
    )
    recurrent_dropout: float = Field(
        0.25, ge=0, lt=1, description="share of h hidden from the recurrence, per sequence"
    )
    decoder: Literal["auto", "softmax", "crf"] = Field(
        "auto", description="each tag alone, or a sentence's together; auto: crf for spans that are read both ways"
    )
    scheme: Literal["auto", "bio", "iob1", "iobes", "bilou"] = Field(
        "auto", description="the tags that spans are learnt as (they are written as in the file); auto: iobes"
    )
    loss_average: Literal["steps", "sequence"] = Field(
        "steps", description="the loss is the mean over all words, or over sentences' means"
    )

    @field_validator("vectors", mode="before")
    @classmethod
    def _name_of_the_file(cls, vectors: object) -> object:
        return os.fspath(vectors) if isinstance(vectors, os.PathLike) else vectors

    def settled_with(self, lexicon: LexiconConfig) -> tuple[LabelerConfig, LexiconConfig]:
        """Settle the size of the embeddings: what the file of vectors has, where there is one.

        Raises:
            DataError: see :func:`~throughtime.data.pretrained.vectors_size`.
            UsageError: another size is asked for.

        >>> LabelerConfig().settled_with(LexiconConfig())[0].embedding_size
        100
        """
        size = EMBEDDING_SIZE if self.vectors is None else vectors_size(self.vectors)
        if self.vectors is not None and self.embedding_size not in (None, size):
            raise UsageError(
                f"--embedding-size: expected {size}, as {self.vectors} has it, found {self.embedding_size}"
            )
        return self.model_copy(update={"embedding_size": self.embedding_size or size}), lexicon

    def learning(self, lexicon: LexiconConfig) -> dict[str, Any]:
        """What of learning usually suits: the passes over the data."""
        return {"epochs": 10}


class Labeler(nn.Module):
    """Words and their letters, a recurrence over the sentence, and a tag for each word.

    The network of Lample et al. (2016), with the spelling's features beside the letters.

    Args:
        config: what it is made of.
        lexicon: the words and letters that it reads.
        targets: the ``K`` tags.
        symbol_counts: how often each word occurs in training, for ``word_dropout``.
    """

    def __init__(
        self, config: LabelerConfig, lexicon: Lexicon, targets: Tags, symbol_counts: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.config, self.targets, self.bidirectional = config, targets, config.bidirectional
        hides = bool(symbol_counts) and config.word_dropout > 0
        self.words = WordEncoder(
            len(lexicon),
            config.embedding_size or EMBEDDING_SIZE,
            spelling=lexicon.spelling,
            num_characters=len(lexicon.letters) if lexicon.spelled_out else 0,
            character_size=config.character_size,
            character_hidden=config.character_hidden,
            cell=config.cell,
            unknown=rarity(torch.tensor(symbol_counts), config.word_dropout, len(SPECIALS)) if hides else None,
        )
        self.recurrent: Recurrent = CELLS[config.cell](
            self.words.output_size,
            config.hidden_size,
            config.num_layers,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
            bidirectional=config.bidirectional,
            recurrent_dropout=config.recurrent_dropout,
        )
        initialise_recurrent(self.recurrent)
        self.head = Linear(self.recurrent.output_size * self.recurrent.num_directions, len(targets.labels))
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.crf: CRF | None = None
        if config.decoder == "crf" or (config.decoder == "auto" and targets.scheme and config.bidirectional):
            self.crf = CRF(len(targets.labels), **targets.constraints())

    @classmethod
    def build(
        cls, config: LabelerConfig, vocabulary: Lexicon, targets: Tags, symbol_counts: Sequence[int] = ()
    ) -> Labeler:
        """As the class is called; see the other tasks."""
        return cls(config, vocabulary, targets, symbol_counts)

    def begin_with(self, words: Tensor, vectors: Tensor) -> None:
        """Let words begin with vectors made elsewhere; they learn further like all others.

        Args:
            words: ``[n]`` their symbols.
            vectors: ``[n, E]``.
        """
        with torch.no_grad():
            self.words.embedding.word.weight[words] = vectors

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is told of it; the first is what weights are chosen by."""
        accuracy = Measure("accuracy", "accuracy", percent=True)
        if self.targets.scheme is None:
            return accuracy, Measure("accuracy_unknown", "unknown words", percent=True), Measure("loss", "loss")
        spans = (Measure(key, title, percent=True) for key, title in _SPAN_MEASURES)
        return *spans, accuracy, Measure("loss", "loss")

    def forward(self, inputs: Words, state: Any = None) -> tuple[Ragged, Any]:
        """Scores ``[N, K]`` of every word's tags, and the state to carry on from.

        Args:
            inputs: ``B`` sentences.
            state: from an earlier call; zero when none.
        """
        vectors = self.words(inputs.forms.symbols, inputs.forms.characters)
        steps, table = inputs.steps, None
        if not self.training and 2 * len(vectors) < len(steps.values):
            table = vectors  # each word's product with the input's weights is made once, not at every step
        else:
            steps = steps.with_values(F.embedding(steps.values, vectors))
            if self.training:
                steps = sequence_dropout(steps, self.config.dropout)
        outputs, state = self.recurrent(steps, state, table=table)
        if self.training:
            outputs = sequence_dropout(outputs, self.config.dropout)
        return outputs.with_values(self.head(outputs.values)), state

    def step(self, inputs: Words, state: Any = None) -> tuple[Tensor, Any]:
        """Probabilities ``[N, K]`` of more words of a sentence, and the state after them; without a CRF."""
        scores, state = self(inputs, state)
        return scores.values.softmax(1), state

    # ---- answers ----

    def answers(self, inputs: Words) -> Tensor:
        """``[N, K]``: the probability of each tag of each word, without dropout."""
        with answering(self):
            scores, _ = self(inputs)
            return scores.values.softmax(1) if self.crf is None else self.crf.marginals(scores)

    def best(self, inputs: Words) -> Ragged:
        """``[N]``: the number of each word's tag; of the tags together where there is a CRF."""
        with answering(self):
            return self._best(self(inputs)[0])

    def _best(self, scores: Ragged) -> Ragged:
        return scores.with_values(scores.values.argmax(1) if self.crf is None else self.crf.decode(scores))

    # ---- the task's protocol ----

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, Any]:
        """Minus the log-likelihood, averaged over the words; ``state`` is handed through, sentences being whole here.

        With ``loss_average="sequence"`` it is averaged over each sentence's words first, then over the sentences.
        """
        total, lengths = self._losses(self(batch.inputs)[0], known(batch.targets))
        if self.config.loss_average == "sequence":
            return (total / lengths.clamp(min=1)).sum() / max(1, len(total)), state
        return total.sum() / lengths.sum().clamp(min=1), state

    def end_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The cross-entropy of the sentences' last words, and of their first ones; 0 for a label never seen.

        It is of each word's own scores, also where a CRF chooses: a tag's marginal probability hangs on all words'
        scores through the chain of tags, which would hide how far the recurrence itself carries something.
        """
        scores, _ = self(batch.inputs)
        losses = F.cross_entropy(scores.values, known(batch.targets), reduction="none", ignore_index=NOT_SEEN)
        return losses[scores.offsets[1:] - 1].sum(), losses[scores.offsets[:-1]].sum()

    @property
    def recurrences(self) -> list[Recurrent]:
        """What reads the sentences."""
        return [self.recurrent]

    def _losses(self, scores: Ragged, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Each sentence's loss, and the words that it is of; sentences with labels never seen count as if empty."""
        wanted = scores.with_values(targets)
        kept = wholly_seen(wanted)
        if len(kept) < len(scores):
            scores, wanted = scores.take(kept), wanted.take(kept)
        if self.crf is not None and len(scores):
            return -self.crf(scores, wanted.values), scores.lengths.to(scores.values.device)
        losses = F.cross_entropy(scores.values, wanted.values, reduction="none")
        total = losses.new_zeros(len(scores)).index_add(0, wanted.row_of_step, losses)
        return total, scores.lengths.to(losses.device)

    def evaluate(self, batches: Iterable[Batch], heard: Heard | None = None) -> dict[str, Any]:
        """``accuracy``, ``accuracy_unknown``, ``precision``, ``recall``, ``f1``, ``f1_by_type``, ``loss`` and sizes.

        Spans are counted exactly, as conlleval does; of labels that are no spans these are none. A label that training
        did not show is never answered rightly: ``labels_unknown`` tells of each how many words have it, and the loss is
        of the sentences without such a one; none if there are no words to tell it by.

        Args:
            batches: of a dataset with its examples.
            heard: is told each batch, the labels of its sentences as their file writes them, and each one's loss
                ``[B]``: NaN for those with a label never seen.
        """
        tally = _Tally(self.targets)
        with answering(self):
            for batch in batches:
                targets, (scores, _) = known(batch.targets), self(batch.inputs)
                losses, lengths = self._losses(scores, targets)
                tally.lose(losses, lengths)
                told = [self.targets.decode(numbers) for numbers in self._best(scores).to("cpu").to_list()]
                tally.add(batch, told)
                if heard is not None:
                    each = torch.full((len(batch),), torch.nan)
                    each[wholly_seen(scores.with_values(targets))] = losses.float().cpu()
                    heard(batch, told, each)
        return tally.metrics()

    def score(self, metrics: dict[str, Any]) -> tuple[float, float]:
        """What the best weights are chosen by, higher being better: F1 of spans, or accuracy; then the loss."""
        return metrics[self.measures[0].key], -metrics["loss"]


_SPAN_MEASURES = (("f1", "F1 of spans"), ("precision", "precision"), ("recall", "recall"))


class _Tally:
    """What was answered, sentence by sentence."""

    def __init__(self, targets: Tags) -> None:
        self._targets, self._spans = targets, SpanCounts()
        self._right, self._words = Counter[bool](), Counter[bool]()  # of words known and unknown
        self._sentences, self._loss, self._lost = 0, 0.0, 0
        self._new = Counter[str]()  # labels that training did not show

    def lose(self, totals: Tensor, lengths: Tensor) -> None:
        """Add what :meth:`Labeler._losses` gives."""
        self._loss += float(totals.double().sum())
        self._lost += int(lengths.sum())

    def add(self, batch: Batch, answers: Sequence[Sequence[str]]) -> None:
        """Add the labels told of a batch's sentences."""
        symbols = batch.inputs.forms.symbols[:, 0].cpu()
        unknown = (symbols[batch.inputs.values.cpu()] == UNK).tolist()
        begin = 0
        for sentence, told in zip(batch.examples, answers, strict=True):
            labels = sentence.labels or []
            for new, label, answer in zip(unknown[begin : begin + len(told)], labels, told, strict=True):
                self._words[new] += 1
                self._right[new] += label == answer
            if self._targets.scheme is not None:
                self._spans.add(read_spans(labels), read_spans(told))
            begin += len(told)
            self._sentences += 1
        new = (known(batch.targets) == NOT_SEEN).tolist()
        self._new.update(compress(chain.from_iterable(sentence.labels or () for sentence in batch.examples), new))

    def metrics(self) -> dict[str, Any]:
        """Of all that was added."""
        words, spans = self._words.total(), self._targets.scheme is not None
        overall = self._spans.overall()
        return {
            "accuracy": self._right.total() / words if words else None,
            "accuracy_unknown": self._right[True] / self._words[True] if self._words[True] else None,
            "precision": overall.precision if spans else None,
            "recall": overall.recall if spans else None,
            "f1": overall.f1 if spans else None,
            "f1_by_type": {type: score.f1 for type, score in self._spans.by_type().items()},
            "loss": self._loss / self._lost if self._lost else None,
            "tokens": words,
            "tokens_unknown": self._words[True],
            "sequences": self._sentences,
            "labels_unknown": dict(sorted(self._new.items())),
        }
