"""Models that answer a text with a text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from throughtime.data.batches import Batches, Dataset
from throughtime.data.encoded_pairs import FreshBatches, PairBatches, Rows, Sequences, encode_pairs, encode_side
from throughtime.data.pair import Pair
from throughtime.data.two_sided import TwoSided
from throughtime.data.vocabulary import EOS, SOS
from throughtime.decode.beam import BeamConfig, Hypothesis
from throughtime.decode.edits import FEW, Changes
from throughtime.errors import DataError, UsageError
from throughtime.metrics import gleu, text_errors, token_errors, translation
from throughtime.model.base import EVALUATION_TOKENS, Model
from throughtime.ragged import Ragged
from throughtime.tasks.translate import Translator
from throughtime.tasks.translations import TranslatorConfig
from throughtime.train.config import TrainConfig

__all__ = ["Answer", "Looked", "TranslatorModel"]

DECODED = 8192
"""Symbols of sources that are answered at a time, each counted as often as the beam has rows for it."""


@dataclass(frozen=True)
class Answer:
    """What a model says to a source.

    Attributes:
        text: the answer.
        log_probability: the natural logarithm of its probability.
        score: the same with its length taken into account: what answers are ranked by.
        cut: whether it has as many symbols as an answer may have, and so may lack its end.
    """

    text: str
    log_probability: float
    score: float
    cut: bool = False


@dataclass(frozen=True)
class Looked:
    """An answer, and where the model looked.

    Attributes:
        text: the answer.
        source: ``S`` symbols, the end last.
        answer: ``T`` symbols, the end last.
        weights: ``[T, S]``, each row's sum is 1.
    """

    text: str
    source: list[str]
    answer: list[str]
    weights: np.ndarray


class TranslatorModel(Model):
    """Answers a text with a text; see :class:`~throughtime.model.Model`."""

    vocabulary: TwoSided
    task: Translator

    # ---- answering ----

    def translate(
        self,
        texts: Sequence[str],
        beam: BeamConfig | None = None,
        *,
        n_best: int = 1,
        prefixes: Sequence[str] | None = None,
    ) -> list[list[Answer]]:
        """The ``n_best`` answers to each text, best first, all different; to an empty text an empty one.

        Args:
            texts: the sources.
            beam: how answers are searched for.
            n_best: how many are wanted; fewer come where there are no more.
            prefixes: for each text what its answers begin with, an empty text where that is open: see
                :meth:`~throughtime.data.two_sided.Side.begin`.

        Raises:
            UsageError: for one text in place of a list of them, more answers than the beam has, or ``keep`` where
                texts are not corrected, with several answers or with prefixes.
        """
        if isinstance(texts, str) or isinstance(prefixes, str):
            raise UsageError("expected a list of texts, found one text: put it in a list")
        if prefixes is not None and len(prefixes) != len(texts):
            raise UsageError(f"expected a prefix for each of {len(texts)} texts, found {len(prefixes)}")
        beam = beam or BeamConfig()
        self.check_search(beam, n_best, begun=prefixes is not None)
        found: dict[int, list[Answer]] = {row: [Answer("", 0.0, 0.0)] for row in range(len(texts))}
        said = [row for row, text in enumerate(texts) if text.strip()]
        sources = encode_side((texts[row].strip() for row in said), self.vocabulary.source)
        begun = [self.vocabulary.target.begin(prefixes[row] if prefixes else "") for row in said]
        # Of several, some may be one text, whose pieces are others: so there should be more than are wanted.
        search = self.task.searcher(beam, n_best if n_best == 1 else beam.beam)
        for batch in Batches(Dataset(sources), max(1, DECODED // beam.beam), device=self.device) if said else ():
            own = [begun[row] for row in batch.rows]
            best = search(batch.inputs, [symbols for _, symbols in own] if prefixes else None)
            limits = beam.limits(batch.inputs.lengths - 1).tolist()
            for row, hypotheses, limit, beginning in zip(batch.rows, best, limits, own, strict=True):
                answers = [self._answer(one, limit, *beginning) for one in hypotheses]
                first = {answer.text: answer for answer in reversed(answers)}
                found[said[row]] = [answer for answer in answers if answer is first[answer.text]][:n_best]
        if beam.keep is not None:
            sifted = self._sifted([texts[row].strip() for row in said], [found[row][0] for row in said], beam)
            found |= {row: [answer] for row, answer in zip(said, sifted, strict=True)}
        return [found[row] for row in range(len(texts))]

    def check_search(self, beam: BeamConfig, n_best: int = 1, *, begun: bool = False) -> None:
        """Refuse a search that cannot be, which is better known before the first answer than after it.

        Args:
            beam: how answers are searched for.
            n_best: how many are wanted.
            begun: whether it is said what they begin with.

        Raises:
            UsageError: see :meth:`translate`.
        """
        if not 1 <= n_best <= beam.beam:
            raise UsageError(f"expected from 1 to {beam.beam} answers, as many as the beam has, found {n_best}")
        if beam.keep is None:
            return
        if not self.task.joint:
            raise UsageError("--keep: expected a model that corrects texts (--noise, or --joint), found another")
        if n_best > 1:
            raise UsageError(f"--keep: expected one answer to a text, found {n_best} wanted")
        if begun:
            raise UsageError("--keep: expected answers that may begin as they like, found what they begin with")

    def _answer(self, found: Hypothesis, limit: int, prefix: str, begun: Sequence[int]) -> Answer:
        """A search's answer as text, whose beginning is the prefix to the letter, also where that is not known."""
        side = self.vocabulary.target
        text = prefix + side.decode(found.symbols)[len(side.decode(begun)) :]
        return Answer(text, found.log_probability, found.score, len(found.symbols) >= limit)

    def _sifted(self, texts: Sequence[str], answers: Sequence[Answer], beam: BeamConfig) -> list[Answer]:
        """Answers with those of their changes alone that make them more probable by ``beam.keep`` nats each.

        A change of more than a few words is none of them: a network that has lost its place skips, or says again, and
        finds that more probable than to go on.
        """
        assert beam.keep is not None
        changes = [Changes(text, answer.text) for text, answer in zip(texts, answers, strict=True)]
        nats = self._nats(texts, [(own.apply([True] * len(own.found)), *own.without_each()) for own in changes])
        kept = [
            [change.size <= FEW and other - whole >= beam.keep for change, other in zip(own.found, others, strict=True)]
            for own, (whole, *others) in zip(changes, nats, strict=True)
        ]
        left = [own.apply(choice) for own, choice in zip(changes, kept, strict=True)]
        sums = self._nats(texts, [(text,) for text in left])
        lengths = encode_side(left, self.vocabulary.target).lengths.tolist()
        return [
            Answer(text, -total, -total / ((5 + length) / 6) ** beam.length_penalty, before.cut and any(choice))
            for text, (total,), length, before, choice in zip(left, sums, lengths, answers, kept, strict=True)
        ]

    def _nats(self, texts: Sequence[str], answers: Sequence[Sequence[str]]) -> list[list[float]]:
        """How improbable each of some answers to each text is: minus the logarithm of its probability."""
        pairs = [Pair(text, tuple(own), "", 0) for text, own in zip(texts, answers, strict=True)]
        rows = self.encode(pairs)
        found = np.zeros(len(rows))
        for batch in self.batches(rows) if pairs else ():
            found[list(batch.rows)] = self.task.nats(batch.inputs).cpu().numpy()
        ends = np.cumsum([len(own) for own in answers])[:-1]
        return [own.tolist() for own in np.split(found, ends)] if pairs else []

    def look(self, text: str, beam: BeamConfig | None = None) -> Looked:
        """The best answer to one text, and where the model looked as it said each symbol of it.

        Raises:
            UsageError: for an empty text.
        """
        if not text.strip():
            raise UsageError("expected a text to answer, found an empty one")
        source, target = self.vocabulary.source, self.vocabulary.target
        sources = encode_side([text.strip()], source)
        sources = sources.with_values(sources.values.long()).to(self.device)
        ((best, *_),) = self.task.search(sources, beam or BeamConfig())
        heard, told = (Ragged.from_list([own]).to(self.device) for own in ([SOS, *best.symbols], [*best.symbols, EOS]))
        weights = self.task.looked(Sequences(sources, heard, told))
        return Looked(
            target.decode(best.symbols),
            source.written(sources.values.tolist()),
            target.written(told.values.tolist()),
            weights.values.reshape(len(told.values), -1).cpu().numpy(),
        )

    def predict(self, texts: Sequence[str], beam: BeamConfig | None = None) -> list[str]:
        """The best answer to each text."""
        return [answers[0].text for answers in self.translate(texts, beam)]

    # ---- measuring ----

    def evaluate(self, examples: Sequence[Pair], beam: BeamConfig | None = None) -> dict[str, Any]:
        """How good the answers are: see :meth:`judge`.

        Raises:
            DataError: for no pairs, or one without a right answer.
        """
        for pair in examples:
            if not pair.targets:
                raise DataError("expected a right answer, found none", path=pair.path, line=pair.line)
        if not examples:
            raise DataError("expected pairs to evaluate on, found none")
        return self.judge(self.encode(examples), beam)[0]

    def judge(self, data: Rows, beam: BeamConfig | None = None) -> tuple[dict[str, Any], list[str]]:
        """Measures of the answers to encoded pairs, and the answers.

        Returns:
            ``bleu``, ``bleu_lc``, ``chrf``, ``bleu_signature``, ``wer``, ``cer``, ``ter`` (errors over the target's
            symbols), ``exact``, ``pairs``, and of the right answers, symbol by symbol, ``nll``, ``perplexity``,
            ``accuracy``, ``tokens`` and ``loss``. Where both sides have one vocabulary, as in correction, also
            ``gleu``, over words as blanks part them, and ``gleu_source``, that of the sources left as they are.
        """
        scores = self.task.evaluate(self.batches(data))
        answers = self.predict([pair.text for pair in data.examples], beam)
        references = [list(pair.targets) for pair in data.examples]
        side = self.vocabulary.target
        parts = [[side.parts(text) for text in right] for right in references]
        found: dict[str, Any] = translation(answers, references) | text_errors(answers, references)
        if self.task.joint:
            found |= _corrections([pair.text for pair in data.examples], answers, references)
        return scores | found | token_errors([side.parts(text) for text in answers], parts), answers

    def seconds_to_judge(self, data: Rows) -> float:
        """How long :meth:`judge` will take once the model has learnt to end its answers.

        It is told from sources of middling length, as many as are answered at a time, and answers as long as the right
        ones.
        """
        if not data.examples:
            return 0.0
        lengths = data.inputs.lengths.numpy()[np.unique(data.pairs, return_index=True)[1]]
        order, middle = np.argsort(lengths, kind="stable"), len(lengths) // 2
        count = max(1, DECODED // (BeamConfig().beam * int(lengths[order[middle]])))
        some = order[max(0, middle - count // 2) :][:count]
        part = self.encode([data.examples[row] for row in some])
        beam = BeamConfig(max_length=round(float(part.told.lengths.double().mean())))
        self.judge(self.encode(part.examples[:1]), beam)  # which also imports the metrics
        begun = time.perf_counter()
        self.judge(part, beam)
        return (time.perf_counter() - begun) * float(lengths.sum() / lengths[some].sum())

    # ---- what it reads ----

    def encode(self, examples: Sequence[Pair]) -> Rows:
        """Pairs as symbols, a row for each right answer."""
        return encode_pairs(examples, self.vocabulary)

    def read(self, examples: Sequence[Pair]) -> Ragged:
        """The symbols of the sources."""
        sources = encode_side((pair.text for pair in examples), self.vocabulary.source)
        return sources.with_values(sources.values.long())

    def training_batches(self, data: Dataset, train: TrainConfig) -> PairBatches:
        """Pairs in batches to learn from, of so many symbols of both sides together."""
        assert isinstance(data, Rows)
        tokens = train.batch_tokens or round(train.batch_size * float(data.lengths.double().mean()))
        if self.config.noise is not None:
            return FreshBatches(data, self.vocabulary.source, tokens, self.config.run.seed, self.device)
        return PairBatches(data, tokens, self.config.run.seed, self.device)

    def batches(self, data: Dataset) -> PairBatches:
        """Pairs in batches for evaluation, where the weights are."""
        assert isinstance(data, Rows)
        return PairBatches(data, EVALUATION_TOKENS, device=self.device)

    def in_words(self) -> str:
        """Its cells, and what a step is on each side."""
        network = self.config.network
        assert isinstance(network, TranslatorConfig)
        cell = {"elman": "Elman RNNs", "lstm": "LSTMs", "gru": "GRUs"}[network.cell]
        layers = f"{network.num_layers} layers of " if network.num_layers > 1 else ""
        feeding = ", which it is told of at the next step" if network.input_feeding else ""
        coverage = ", knows where it has looked" if network.coverage else ""
        copying = " and copies what it looks at" if network.copying else ""
        return (
            f"{cell} with {layers}{network.hidden_size} units that read a source both ways and answer it, "
            f"{self.vocabulary.in_words()}, with {network.attention} attention{feeding}{coverage}{copying} "
            f"({self.parameters:,} weights)"
        )


def _corrections(
    sources: Sequence[str], answers: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float]:
    """GLEU of the answers, and of the sources in their place."""
    given, said = ([text.split() for text in texts] for texts in (sources, answers))
    right = [[text.split() for text in own] for own in references]
    return {"gleu": gleu(given, said, right), "gleu_source": gleu(given, given, right)}
