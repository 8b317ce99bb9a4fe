"""Translate: a text for a text, of another length (many to many, unequal)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from throughtime.data.batches import Batch
from throughtime.data.encoded_pairs import Rows, Sequences, shifted
from throughtime.data.two_sided import TwoSided
from throughtime.data.vocabulary import EOS, PAD, SOS, SPECIALS, UNK
from throughtime.decode.beam import BeamConfig, Hypothesis, beam_search
from throughtime.nn.attention import Memory
from throughtime.nn.copying import copied, copy_cross_entropy
from throughtime.nn.decoder import Decoded, Decoder, State
from throughtime.nn.dropout import rarity
from throughtime.nn.encoder import SymbolEncoder
from throughtime.nn.recurrent import Recurrent
from throughtime.nn.softmax import learnt_in, linear_cross_entropy
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering
from throughtime.tasks.scheduled import share_told
from throughtime.tasks.targets import Measure
from throughtime.tasks.translations import Translations, TranslatorConfig

__all__ = ["UNSAID", "Translator"]

UNSAID = [PAD, UNK, SOS]
"""No answer has them."""

SCORED = 1 << 22
"""Scores that are made at a time when answers are only measured."""


def _of_texts(key: str, title: str) -> Measure:
    """A score of whole texts, from 0 to 100."""
    return Measure(key, title, curve=False, digits=2)


class Searcher(Protocol):
    """What answers sources; see :meth:`Translator.search`."""

    def __call__(self, sources: Ragged, prefixes: Sequence[Sequence[int]] | None = None) -> list[list[Hypothesis]]: ...


class Translator(nn.Module):
    """Reads a source both ways; then says the target a symbol at a time, looking back at the source.

    Args:
        config: what it is made of.
        sources: symbols of the sources.
        symbols: symbols of the targets, ``V``.
        targets: what is known of them.
        counts: how often each of the sources' symbols occurs in training, for ``word_dropout``.
        joint: whether both sides have one vocabulary, and so one embedding.
        copies: the target's symbol for each of the sources', for ``copying``.
    """

    bidirectional = True

    def __init__(
        self,
        config: TranslatorConfig,
        sources: int,
        symbols: int,
        targets: Translations,
        counts: Sequence[int] = (),
        *,
        joint: bool = False,
        copies: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.config, self.targets, self.joint = config, targets, joint
        self.copies: Tensor | None
        self.register_buffer("copies", copies if config.copying else None, persistent=False)
        between = config.dropout if config.num_layers > 1 else 0.0
        self.encoder = SymbolEncoder(
            sources,
            embedding_size=config.embedding_size,
            cell=config.cell,
            hidden_size=config.hidden_size // 2,
            num_layers=config.num_layers,
            bidirectional=True,
            unknown=rarity(torch.tensor(counts), config.word_dropout, len(SPECIALS)) if len(counts) else None,
            embedding_dropout=config.dropout,
            layer_dropout=between,
            recurrent_dropout=config.recurrent_dropout,
        )
        self.decoder = Decoder(
            symbols,
            memory_size=self.encoder.output_size,
            cell=config.cell,
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            attention=config.attention,
            input_feeding=config.input_feeding,
            copying=config.copying,
            coverage=config.coverage,
            tied=config.tie_weights,
            input_dropout=config.dropout,
            hidden_dropout=between,
            output_dropout=config.dropout,
            recurrent_dropout=config.recurrent_dropout,
        )
        if joint:
            self.encoder.embedding = self.decoder.network.embedding

    @classmethod
    def build(
        cls, config: TranslatorConfig, vocabulary: TwoSided, targets: Translations, counts: Sequence[int] = ()
    ) -> Translator:
        """For a vocabulary; see the other tasks."""
        sizes = len(vocabulary.source), len(vocabulary.target)
        copies = torch.from_numpy(vocabulary.copies) if config.copying else None
        return cls(config, *sizes, targets, counts, joint=bool(vocabulary.config.joint), copies=copies)

    @property
    def recurrences(self) -> list[Recurrent]:
        """What reads and what says, from the sources upwards."""
        return [self.encoder.recurrent, *self.decoder.network.recurrences]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is told of it; the first is what weights are chosen by."""
        exact = Measure("exact", "wholly right", percent=True)
        errors = Measure("ter", "symbol errors", percent=True, curve=False)
        nll = Measure("nll", "nats a symbol", curve=False)  # as the loss
        if self.targets.of_letters:
            return exact, errors, Measure("cer", "letter errors", percent=True, curve=False), nll
        accuracy = Measure("accuracy", "next symbols right", percent=True)
        scores = (_of_texts("bleu", "BLEU"), _of_texts("chrf", "chrF"))
        if self.joint:
            own = _of_texts("gleu", "GLEU"), _of_texts("gleu_source", "GLEU of the sources")
            return accuracy, *own, *scores, exact, nll
        return accuracy, *scores, exact, nll

    # ---- the task's protocol ----

    def loss(self, batch: Batch, state: Any = None) -> tuple[Tensor, None]:
        """Nats a symbol of the target, averaged over all of them, label smoothing included; no state is carried.

        With coverage also what is looked at again, a symbol.
        """
        own: Sequences = batch.inputs
        memory, start = self._remembered(own)
        heard = own.heard
        if self.config.sampling != "none" and batch.update is not None:
            share = share_told(self.config.sampling, batch.update, self.config.sampling_half)
            heard = self._guessed(own, memory, start, share)
        decoded = self.decoder(heard, memory, start)
        loss = self._loss(decoded, memory, own.told)
        if decoded.overlap is not None:
            loss = loss + self.config.coverage_weight * decoded.overlap.mean()
        return loss, None

    def _loss(self, decoded: Decoded, memory: Memory, told: Ragged) -> Tensor:
        head = self.decoder.head
        if decoded.gates is None:
            return linear_cross_entropy(
                decoded.outputs.values,
                head.weight,
                head.bias,
                told.values,
                label_smoothing=self.config.label_smoothing,
                products=learnt_in(self.config.softmax, head.weight),
            ).total
        return copy_cross_entropy(
            decoded.outputs.values,
            head,
            decoded.gates,
            decoded.weights,
            copied(memory, told.row_of_step),
            told.values,
            label_smoothing=self.config.label_smoothing,
            chunk=self._chunk,
        ).mean()

    def evaluate(self, batches: Iterable[Batch]) -> dict[str, Any]:
        """How well each symbol is told where those before it are given.

        A row all of whose symbols are the most probable ones is what is answered where no beam is searched: so
        ``exact``, the share of sources with a right answer, costs no decoding.

        Returns:
            ``nll`` (nats a symbol), ``perplexity``, ``accuracy`` (share of symbols), ``exact``, ``tokens``, ``pairs``.
        """
        total, right, tokens = 0.0, 0, 0
        exact: dict[int, bool] = {}
        with answering(self):
            for batch in batches:
                own: Sequences = batch.inputs
                losses, hits = self._told(own)
                total += float(losses.double().sum())
                right += int(hits.sum())
                tokens += len(hits)
                whole = [bool(row.all()) for row in own.told.with_values(hits)]
                assert isinstance(batch.data, Rows)
                for pair, all_right in zip(batch.data.pairs[list(batch.rows)].tolist(), whole, strict=True):
                    exact[pair] = exact.get(pair, False) or all_right
        nll = total / tokens if tokens else None
        return {
            "nll": nll,
            "perplexity": None if nll is None else math.exp(min(nll, 700)),
            "accuracy": right / tokens if tokens else None,
            "exact": sum(exact.values()) / len(exact) if exact else None,
            "tokens": tokens,
            "pairs": len(exact),
            "loss": nll,
        }

    def score(self, metrics: dict[str, Any]) -> tuple[float, ...]:
        """What the best weights are chosen by, higher being better."""
        return metrics[self.measures[0].key], -metrics["nll"]

    # ---- answering ----

    def answers(self, sources: Ragged) -> Tensor:
        """``[B, V]``: how probable each symbol is to begin the answer, without dropout."""
        with answering(self):
            outputs, final, _ = self.encoder(sources)
            begun = torch.full((len(sources),), SOS, device=final.device)
            memory = self.decoder.remember(outputs, symbols=self._copies(sources))
            scores, _ = self.decoder.step(begun, memory, self.decoder.start(final, memory))
            return scores.softmax(1)

    def search(
        self, sources: Ragged, beam: BeamConfig, n_best: int = 1, prefixes: Sequence[Sequence[int]] | None = None
    ) -> list[list[Hypothesis]]:
        """The best answers for each of ``B`` sources, symbols with ``<eos>`` last, best first.

        They begin with the symbols of their prefixes, of which there may be more than an answer otherwise has.
        """
        return self.searcher(beam, n_best)(sources, prefixes)

    def searcher(self, beam: BeamConfig, n_best: int = 1) -> Searcher:
        """:meth:`search` for one batch after another: what they share is made once. It is not to be kept for later."""
        speaker = self.decoder.speaker()

        def search(sources: Ragged, prefixes: Sequence[Sequence[int]] | None = None) -> list[list[Hypothesis]]:
            order = torch.argsort(sources.lengths, stable=True)  # as the memory has them: nothing is to be arranged
            sources = sources.take(order)
            limits = beam.limits(sources.lengths - 1)
            if prefixes is not None:
                prefixes = [prefixes[place] for place in order.tolist()]
                limits = limits.maximum(torch.tensor([len(prefix) for prefix in prefixes]))
            with answering(self):
                outputs, final, _ = self.encoder(sources)
                memory = speaker.remember(outputs, self._copies(sources))
                start = self.decoder.start(final, memory)

            def step(symbols: Tensor, state: State) -> tuple[Tensor, State]:
                *own, rows = state
                scores, after = speaker(symbols.to(final.device), memory, tuple(own), rows[0])
                return scores, (*after, rows)

            found = beam_search(
                step,
                (*start, torch.arange(len(sources))[None]),
                begin=SOS,
                end=EOS,
                limits=limits,
                beam=beam.beam,
                n_best=n_best,
                length_penalty=beam.length_penalty,
                banned=UNSAID,
                prefixes=prefixes,
            )
            return [found[place] for place in torch.argsort(order).tolist()]

        return search

    def nats(self, own: Sequences) -> Tensor:
        """``[B]``: minus the log-probability of each target, its end included, without dropout."""
        with answering(self):
            losses, _ = self._told(own)
            sums = losses.new_zeros(len(own), dtype=torch.float64)
            return sums.index_add(0, own.told.row_of_step, losses.double())

    def looked(self, own: Sequences) -> Ragged:
        """For each symbol of the targets the weights of its source's steps, without dropout."""
        with answering(self):
            memory, start = self._remembered(own)
            weights: Ragged = self.decoder(own.heard, memory, start).weights
            return weights

    def _remembered(self, own: Sequences) -> tuple[Memory, State]:
        """What the decoder looks at, and begins with."""
        outputs, final, _ = self.encoder(own.sources)
        memory = self.decoder.remember(outputs, own.heard.lengths, self._copies(own.sources))
        return memory, self.decoder.start(final, memory)

    def _guessed(self, own: Sequences, memory: Memory, start: State, share: float) -> Ragged:
        """What the decoder hears where each symbol is the right one with a probability of `share`, or else its guess.

        It guesses them all at once, each from the right symbols before it (Mihaylova & Martins 2019, "Scheduled
        Sampling for Transformers"), so that its recurrence runs over whole targets here too: twice in place of once.
        No gradient goes through the guesses.
        """
        with torch.no_grad():
            unheard = torch.tensor([*UNSAID, EOS], device=own.told.values.device)
            found = self._scored(self.decoder(own.heard, memory, start), memory)
            guesses = [scores.index_fill(1, unheard, -torch.inf).argmax(1) for scores in found]
        told = own.told.values
        right = torch.rand(len(told), device=told.device) < share
        return shifted(own.told.with_values(torch.where(right, told, torch.cat(guesses))))

    def _copies(self, sources: Ragged) -> Ragged | None:
        """What is said when a step of the sources is copied."""
        return None if self.copies is None else sources.with_values(self.copies[sources.values])

    @property
    def _chunk(self) -> int:
        """Rows whose scores are made at a time."""
        return max(1, SCORED // len(self.decoder.head.weight))

    def _scored(self, decoded: Decoded, memory: Memory) -> Iterator[Tensor]:
        """Scores ``[n, V]`` of some symbols at a time."""
        outputs = decoded.outputs
        rows = outputs.row_of_step.cpu()
        for begin in range(0, len(rows), self._chunk):
            part = torch.arange(begin, min(begin + self._chunk, len(rows)))
            values = outputs.values[begin : begin + self._chunk]
            gates = None if decoded.gates is None else decoded.gates[begin : begin + self._chunk]
            some = Ragged.from_lengths(values, [1] * len(values))
            weights = decoded.weights if gates is None else decoded.weights.take(part)
            yield self.decoder.scores(Decoded(some, weights, (), gates), memory, rows[part])

    def _told(self, own: Sequences) -> tuple[Tensor, Tensor]:
        """``[N]`` nats of each symbol of the targets, and whether it is the most probable of those that are said."""
        memory, start = self._remembered(own)
        losses, hits, begun = [], [], 0
        for scores in self._scored(self.decoder(own.heard, memory, start), memory):
            told = own.told.values[begun : begun + len(scores)]
            losses.append(nn.functional.cross_entropy(scores, told, reduction="none"))
            scores[:, UNSAID] = -torch.inf
            hits.append(scores.argmax(1) == told)
            begun += len(told)
        return torch.cat(losses), torch.cat(hits)
