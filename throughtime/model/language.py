"""Models that tell what comes next in a text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.data.batches import Batch, Batched, Dataset
from throughtime.data.kinds import Decoder
from throughtime.data.language import LanguageVocabulary
from throughtime.data.passages import Documents, encode_lines, encode_passages
from throughtime.data.streams import Streams
from throughtime.data.vocabulary import EOS, PAD, SOS, SPECIALS, UNK
from throughtime.decode.completion import completions
from throughtime.decode.sampling import Sampler, SamplingConfig, streams
from throughtime.errors import UsageError
from throughtime.model.base import EVALUATION_TOKENS, Model, recurrence_in_words
from throughtime.nn.language import State
from throughtime.ragged import Ragged
from throughtime.tasks.answering import answering
from throughtime.tasks.generate import Generator, GeneratorConfig
from throughtime.tasks.targets import EVENTS, Names
from throughtime.train.config import TrainConfig

__all__ = ["LanguageModel", "Scored"]

NEVER = (PAD, UNK, SOS)
"""Symbols that are no text."""

PROMPT_STEPS = 1024
"""Symbols of a prompt that are read at once."""

SAMPLE = 160
"""Characters, about, of an example of what a model writes."""

STREAMS, STEPS, OVERLAP = 32, 256, 256
"""How running text is measured: side by side, so that it goes fast, each stream with what comes before it in view."""


@dataclass(frozen=True)
class Scored:
    """How probable a text is.

    Attributes:
        log_probability: the natural logarithm of its probability, its end included.
        tokens: symbols that it is told by, its end included.
        characters: its length, its end included.
        unknown: symbols among them that the model does not know.
    """

    log_probability: float
    tokens: int
    characters: int
    unknown: int

    @property
    def perplexity(self) -> float:
        """Of a symbol."""
        return math.exp(min(700.0, -self.log_probability / self.tokens))

    @property
    def bits_per_character(self) -> float | None:
        """The end of a text counts as a character, as a line's does; none where unknown symbols hide some of it."""
        if self.unknown:
            return None
        return -self.log_probability / math.log(2) / self.characters


class _Read(NamedTuple):
    """What was read: the scores ``[1, V]`` of what comes next, the state, and which symbols there were, ``[V]``."""

    scores: Tensor
    state: State
    seen: Tensor


class LanguageModel(Model):
    """Tells what comes next; see :class:`~throughtime.model.Model`."""

    vocabulary: LanguageVocabulary
    task: Generator

    @property
    def names(self) -> Names:
        """What its data is called."""
        return EVENTS if self.vocabulary.config.tokens == "event" else super().names

    @property
    def line_end(self) -> str:
        """What ends a line of the text that it was learnt from."""
        return str((self.config.data.get("source") or {}).get("line_end", "\n"))

    # ---- new text ----

    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        samples: int = 1,
        seed: int = 0,
        sampling: SamplingConfig | None = None,
    ) -> list[str]:
        """Texts that go on from a prompt, which they begin with; the same seed gives the same texts.

        Args:
            prompt: what they begin with.
            length: symbols at most; a text that ends by itself is shorter.
            samples: how many; each is the same whatever others stand beside it.
            seed: of their chance.
            sampling: how symbols are chosen.
        """
        texts = [prompt] * samples
        for row, piece in self.go_on(prompt, length, samples=samples, seed=seed, sampling=sampling):
            texts[row] += piece
        return texts

    def go_on(
        self,
        prompt: str = "",
        length: int | None = 500,
        *,
        samples: int = 1,
        seed: int = 0,
        sampling: SamplingConfig | None = None,
    ) -> Iterator[tuple[int, str]]:
        """Yield pieces of the texts of :meth:`generate` as they come, each with the number of its text.

        Memory does not grow with their length, which has no end where it is none.

        Raises:
            UsageError: the prompt is no text; a number of texts below 1; a seed below 0.
        """
        if samples < 1:
            raise UsageError(f"expected at least one text to write, found {samples}")
        if seed < 0:
            raise UsageError(f"expected a seed from 0, found {seed}")
        _check_text(prompt)
        read = self._read(prompt)
        sampler = Sampler(sampling or SamplingConfig(), banned=NEVER)
        chances = streams(seed, samples)
        writers = [self._writer(prompt) for _ in range(samples)]
        alive = list(range(samples))
        step = self.task.network.stepper(samples)
        step.state = tuple(part.expand(-1, samples, -1).contiguous() for part in read.state)
        scores, produced = read.scores.expand(samples, -1), read.seen.expand(samples, -1).clone()
        told = 0
        while alive and (length is None or told < length):
            symbols = sampler(scores, [chances[row] for row in alive], produced=produced)
            told += 1
            for row, symbol in zip(alive, symbols.tolist(), strict=True):
                piece = writers[row].flush() if symbol == EOS else writers[row].push(symbol)
                if piece:
                    yield row, piece
            goes_on = symbols != EOS
            if not bool(goes_on.all()):  # finished texts leave the batch
                kept = goes_on.nonzero()[:, 0]
                alive = [alive[place] for place in kept.tolist()]
                if not alive:
                    return
                state = tuple(part.index_select(1, kept.to(self.device)) for part in step.state)
                step = self.task.network.stepper(len(alive))
                step.state, symbols, produced = state, symbols[kept], produced[kept]
            produced[torch.arange(len(alive)), symbols] = True
            scores = step(symbols.to(self.device))
        for row in alive:
            if piece := writers[row].flush():
                yield row, piece

    def sample(self) -> str | None:
        """What it writes on nothing, at temperature 0.8; of music none, whose words say little to a reader."""
        if self.vocabulary.config.tokens == "event":
            return None
        text = ""
        for _, piece in self.go_on(length=SAMPLE, seed=1, sampling=SamplingConfig(temperature=0.8)):
            text += piece
            if len(text) > SAMPLE:
                break
        return text

    def complete(self, prefix: str, count: int = 5) -> list[tuple[str, float]]:
        """The most probable ways on to the end of a word, each with its probability, best first.

        A word that the prefix breaks off in is ended; after a blank, or a mark, it is the next word. Probabilities are
        those that are left once the prefix stands there.

        Raises:
            UsageError: the prefix is no text; a count below 1.
        """
        if count < 1:
            raise UsageError(f"expected at least one completion, found {count}")
        _check_text(prefix)
        text, begun = self._begun(self.vocabulary.read(prefix))
        read, never = self._read(text), torch.arange(len(self.vocabulary)) < EOS
        scores = read.scores.cpu().masked_fill(never, -torch.inf)

        def step(symbols: Tensor, state: State) -> tuple[Tensor, State]:
            """Where the weights are; the search is on the CPU."""
            scores, after = self.task.step(symbols.to(self.device), tuple(part.to(self.device) for part in state))
            return scores.cpu(), tuple(part.cpu() for part in after)

        with answering(self.task):
            found = completions(
                step,
                scores,
                tuple(part.cpu() for part in read.state),
                torch.from_numpy(self.vocabulary.begins_word),
                never=never,
                allowed=lambda symbols: self._allowed(symbols, begun),
                count=count,
            )
        share = self._share(scores, begun)
        return [
            (self.vocabulary.spelt(symbols)[len(begun) :], math.exp(log_probability) / share)
            for symbols, log_probability in found
        ]

    def _share(self, scores: Tensor, begun: str) -> float:
        """How probable it is that what comes next begins as a word was begun, by its first symbol."""
        agree = self._allowed((), begun) if begun.strip() else None
        return 1.0 if agree is None else float(scores.double().softmax(1)[0, agree].sum())

    def unknown_in(self, text: str) -> str:
        """What of a text the model does not know, in words; empty if nothing."""
        text = self.vocabulary.read(text)
        count = int((self.vocabulary.encode(text) == UNK).sum())
        if not count:
            return ""
        token = self.task.targets.token
        known = f"expected {token}s of the training text"
        if token != "character":
            return f"{known}, found {count:,} others, read as unknown"
        new = sorted({letter for letter in text if self.vocabulary.encode(letter).tolist() == [UNK]})
        return f"{known}, found {', '.join(map(repr, new[:5]))}{' …' * (len(new) > 5)}: read as unknown"

    # ---- how probable a text is ----

    def score(self, texts: Sequence[str]) -> list[Scored]:
        """How probable each text is, from its beginning to its end.

        For a model of running text a text is a line: what comes after a line's end, up to the next one.

        Raises:
            UsageError: for one text in place of a list of them; for what is no text.
        """
        if isinstance(texts, str):
            raise UsageError("expected a list of texts, found one text: put it in a list")
        texts = list(texts)
        for text in texts:
            _check_text(text)
        if not texts:
            return []
        data, end = self.read(texts), len(self.vocabulary.decode(self._before)) or 1
        found: list[Scored | None] = [None] * len(texts)
        with answering(self.task):
            for batch in self.batches(data):
                nats = torch.cat(list(self._nats(batch)))
                totals = nats.new_zeros(len(batch), dtype=torch.float64)
                totals.index_add_(0, batch.inputs.row_of_step, nats.double().nan_to_num())
                rows = zip(batch.rows, totals.tolist(), batch.inputs.with_values(batch.targets), strict=True)
                for row, total, targets in rows:
                    told = targets[targets >= 0]
                    unknown = max(0, int((told == UNK).sum()) - texts[row].count(SPECIALS[UNK]))
                    found[row] = Scored(-total, len(told), len(texts[row]) + end, unknown)
        return [one for one in found if one is not None]

    def _nats(self, batch: Batch) -> Iterator[Tensor]:
        """Those of each step; of a text that is a long batch of its own a part at a time, the state carried on."""
        assert batch.targets is not None
        steps = batch.inputs.values
        if len(batch) > 1 or len(steps) <= EVALUATION_TOKENS:
            yield self.task.step_losses(batch)[0]
            return
        resets, state = torch.arange(len(steps), device=steps.device) == 0, None
        parts = zip(*(own.split(EVALUATION_TOKENS) for own in (steps, batch.targets, resets)), strict=True)
        for symbols, targets, begins in parts:
            inputs = Ragged.from_lengths(symbols, [len(symbols)])
            nats, state = self.task.step_losses(Batch(inputs, targets, batch.rows, batch.data, begins), state)
            yield nats

    # ---- what it reads ----

    def encode(self, examples: Any) -> Dataset:
        """Running text, or lines, as symbols and what follows them."""
        return encode_passages(examples, self.vocabulary)

    def read(self, examples: Sequence[str]) -> Dataset:
        """Texts as what the network reads: each alone, from its beginning; of a model of running text a line's."""
        return encode_lines(examples, self.vocabulary, before=self._before)

    def training_batches(self, data: Dataset, train: TrainConfig) -> Batched:
        """Running text in streams, which carry their state from chunk to chunk; lines in batches."""
        if not isinstance(data, Documents):
            return super().training_batches(data, train)
        network = self.config.network
        assert isinstance(network, GeneratorConfig)
        streams = train.batch_size if train.batch_tokens is None else max(1, train.batch_tokens // network.chunk)
        return Streams(
            data,
            streams,
            network.chunk,
            seed=self.config.run.seed,
            vary=network.random_chunks,
            device=self.device,
        )

    def batches(self, data: Dataset) -> Batched:
        """For evaluation: running text in streams that see what comes before them, lines in batches."""
        if not isinstance(data, Documents):
            return super().batches(data)
        return Streams(data, STREAMS, STEPS, overlap=OVERLAP, device=self.device)

    def in_words(self) -> str:
        """Its cell, and what a step is."""
        network = self.config.network
        assert isinstance(network, GeneratorConfig)
        told = network.model_copy(update={"hidden_size": self.task.network.recurrences[0].hidden_size})
        return f"{recurrence_in_words(told, f'{self.task.targets.token}s')} ({self.parameters:,} weights)"

    # ---- how it is read and written ----

    @property
    def _before(self) -> list[int]:
        """Symbols that a text is read after: a line's end, for a model of running text that has lines."""
        if (self.config.data.get("source") or {}).get("by") != "text":
            return []
        end: list[int] = self.vocabulary.encode(self.line_end).tolist()
        return [] if UNK in end else end

    def _read(self, text: str) -> _Read:
        """Read a text from its beginning, a part at a time, so that its length costs no memory."""
        symbols = torch.tensor([SOS, *self._before, *self.vocabulary.encode(text).tolist()])
        seen = torch.zeros(1, len(self.vocabulary), dtype=torch.bool)
        seen[0, symbols] = True
        state: State | None = None
        with answering(self.task):
            for part in symbols.split(PROMPT_STEPS):
                outputs, _, state = self.task.network(Ragged.from_lengths(part.to(self.device), [len(part)]), state)
            scores = self.task.network.head(outputs.data[-1:])
        assert state is not None
        return _Read(scores, state, seen)

    def _writer(self, text: str) -> Decoder:
        """One that goes on after a text."""
        writer = self.vocabulary.decoder()
        for symbol in self.vocabulary.encode(text).tolist():
            writer.push(symbol)
        return writer

    def _begun(self, prefix: str) -> tuple[str, str]:
        """A prefix as what is read, and the beginning of a word that must come next: symbols may be longer than it."""
        text, word = re.fullmatch(r"(.*?)([\w'’]*)", prefix, re.DOTALL).groups()  # type: ignore[union-attr]
        if self.vocabulary.config.tokens in ("char", "byte"):
            return prefix, "" if word or text[-1:] in ("", " ", "\n") else " "
        begun = text.removesuffix(" ")
        return begun, word if word and text and text[-1] not in " \n" else f" {word}"

    def _allowed(self, symbols: tuple[int, ...], begun: str) -> Tensor | None:
        """What may follow the symbols of a completion: what agrees with how it was begun, until they reach so far."""
        so_far = self.vocabulary.spelt(symbols)
        left = begun[len(so_far) :]
        if not left:  # a blank, or nothing, is no word yet
            return None if so_far.strip() else ~torch.from_numpy(self.vocabulary.begins_word)
        agree = [text[: len(left)] == left[: len(text)] and bool(text) for text in self.vocabulary.written]
        return torch.tensor(agree)


def _check_text(text: object) -> None:
    """Raise UsageError for anything else."""
    if not isinstance(text, str):
        raise UsageError(f"expected a text, found {text!r}")
