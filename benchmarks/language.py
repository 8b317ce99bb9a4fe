"""Training tokens a second of a language model, and characters a second of its text, beside the same on torch.nn.

    python benchmarks/language.py --data FOLDER [--threads 2] [--rounds 7] [--only WORD] [--out build/language.json]

Training: characters of tiny-shakespeare with the plain defaults (a GRU, and an LSTM in its place), and words of the
Penn Treebank with the sizes of well-known models. Ours is the library's own training step (``train_steps``: streams,
loss, clipping by norm, Adam); theirs the same model as tutorials write it: nn.Embedding, nn.GRU or nn.LSTM, nn.Dropout,
nn.Linear, F.cross_entropy over equal streams, the state carried on and detached, clip_grad_norm_, the same fused Adam.
Neither averages its weights. Both begin with the same weights, and are timed only after loss and every gradient have
agreed without dropout. Words are also learnt with the softmax in bfloat16, ours alone, as the defaults have it where
the machine multiplies that fast.

Writing: ``LanguageModel.go_on`` beside a loop that runs the torch.nn model a step at a time, after their scores have
agreed; weights as they begin, an end of the text ruled out.

Both sides run in one process in turns; the ratio is theirs over ours, of each round.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from throughtime.data.batches import Dataset
from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.data.passages import encode_documents
from throughtime.data.running import RunningText
from throughtime.data.streams import Streams
from throughtime.data.vocabulary import EOS, PAD, SOS, UNK
from throughtime.model import LanguageModel, ModelConfig
from throughtime.nn.softmax import has_fast_bfloat16, learnt_in
from throughtime.ragged import Ragged
from throughtime.tasks.generate import Generator, GeneratorConfig, NextSymbol
from throughtime.train.averaging import WeightAverage
from throughtime.train.config import TrainConfig
from throughtime.train.loop import Place, train_steps
from throughtime.train.optimizers import make_optimizer

TEXTS = {"char": "tinyshakespeare/input.txt.gz", "word": "ptb/ptb.train.txt.gz"}
LEARNING = TrainConfig(average=0, schedule="constant", warmup=0, updates=1)
WRITTEN = 2000
"""Characters of a text."""

Program = Callable[[], Any]


class Case(NamedTuple):
    """A model, and how it is learnt: ``streams`` side by side, ``steps`` at a time, ``updates`` timed at once."""

    name: str
    tokens: str
    streams: int
    steps: int
    updates: int
    network: dict[str, Any]


WORDS = {"cell": "lstm", "softmax": "float32"}
CASES = [
    Case("characters, GRU 512", "char", 32, 64, 4, {}),
    Case("characters, LSTM 512", "char", 32, 64, 4, {"cell": "lstm"}),
    Case(
        "PTB words, LSTM 400, tied",
        "word",
        32,
        35,
        2,
        WORDS | {"hidden_size": 400, "embedding_size": 400, "tie_weights": True},
    ),
    Case(
        "PTB words, 2 × LSTM 650",
        "word",
        20,
        35,
        2,
        WORDS | {"hidden_size": 650, "embedding_size": 650, "num_layers": 2},
    ),
]


def main() -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--out", type=Path, default=Path("build/language.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    texts = {tokens: read(arguments.data / name, tokens) for tokens, name in TEXTS.items()}
    cases = CASES
    if has_fast_bfloat16(torch.device("cpu")):
        faster = (case for case in CASES if case.tokens == "word")
        cases = CASES + [
            case._replace(name=f"{case.name}, softmax in bfloat16", network=case.network | {"softmax": "auto"})
            for case in faster
        ]
    print(f"{'':<46}{'ours':>12}{'torch.nn':>12}{'ratio':>8}{'least':>8}   a second, {arguments.threads} threads")
    found = []
    programs = [(case.name, lambda case=case: training(case, *texts[case.tokens])) for case in cases]
    programs.append(("writing characters, GRU 512", lambda: writing(texts["char"][0])))
    for name, make in programs:
        if arguments.only.lower() in name.lower():
            units, pair = make()
            found.append({"case": name} | in_turns(units, pair, arguments.rounds))
            row = found[-1]
            print(
                f"{name:<46}{row['ours']:>12,.0f}{row['torch']:>12,.0f}{row['ratio_median']:>7.2f}×"
                f"{row['ratio_min']:>7.2f}×",
                flush=True,
            )
    machine = f"{os.cpu_count()} cores, {platform.machine()}, PyTorch {torch.__version__}"
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    written = {"machine": machine, "threads": arguments.threads, "cases": found}
    arguments.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 0


def read(path: Path, tokens: str) -> tuple[LanguageVocabulary, Tensor]:
    """A text's symbols, and all of it as their numbers ``[N]``."""
    text = RunningText.open(path)
    vocabulary = LanguageVocabulary.learn((block for _, block in text.pieces()), LanguageConfig(tokens=tokens))
    return vocabulary, encode_documents(text, vocabulary).inputs.values


def in_turns(units: int, pair: list[Program], rounds: int) -> dict[str, float]:
    """Units a second of ours and theirs, and the ratios of each round; they take turns at going first."""
    seconds: list[list[float]] = [[] for _ in pair]
    for program in pair:
        program()
    gc.collect()
    gc.disable()
    for number in range(rounds):
        for place in (0, 1) if number % 2 else (1, 0):
            begun = time.perf_counter()
            pair[place]()
            seconds[place].append(time.perf_counter() - begun)
    gc.enable()
    ratios = [their / our for our, their in zip(*seconds, strict=True)]
    ours, theirs = (units / statistics.median(own) for own in seconds)
    return {"ours": ours, "torch": theirs, "ratio_median": statistics.median(ratios), "ratio_min": min(ratios)}


# ---- the other model ----


class Plain(nn.Module):
    """The same model on torch.nn, with the same weights: symbols ``[T, B]`` give scores ``[T, B, V]``."""

    def __init__(self, ours: Generator) -> None:
        super().__init__()
        config, network = ours.config, ours.network
        size, embedding_size = network.embedding.weight.shape
        layer = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[config.cell]
        self.embedding = nn.Embedding(size, embedding_size)
        self.recurrent = layer(embedding_size, config.hidden_size, config.num_layers)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden_size, size)
        if config.tie_weights:
            self.head.weight = self.embedding.weight
        with torch.no_grad():
            for their, our in zip(self.parameters(), in_their_order(ours), strict=True):
                their.copy_(our)

    def forward(self, symbols: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Scores, and the state after them."""
        outputs, state = self.recurrent(self.embedding(symbols), state)
        return self.head(self.dropout(outputs)), state


def in_their_order(ours: Generator) -> Iterator[nn.Parameter]:
    """Our weights as the other model has them: a stack of layers is one there."""
    network = ours.network
    yield network.embedding.weight
    for layer in network.recurrences:
        yield from (layer.get_parameter(f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    if network.head.weight is network.embedding.weight:
        yield network.head.bias  # torch too names a weight once
    else:
        yield from (network.head.weight, network.head.bias)


def learn(model: Plain, streams: Tensor, steps: int) -> Iterator[float]:
    """Train without end on ``streams [T, B]``, an update a step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING.lr, fused=True)
    while True:
        state = None
        for begin in range(0, len(streams) - 1, steps):
            part = streams[begin : begin + steps + 1]
            optimizer.zero_grad()
            scores, state = model(part[:-1], state)
            state = tuple(own.detach() for own in state) if isinstance(state, tuple) else state.detach()
            loss = F.cross_entropy(scores.flatten(0, 1), part[1:].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), LEARNING.clip_norm)
            optimizer.step()
            yield loss.item()


# ---- training ----


def training(case: Case, vocabulary: LanguageVocabulary, symbols: Tensor) -> tuple[int, list[Program]]:
    """Symbols learnt from in one call, and the calls: ours, theirs."""
    torch.manual_seed(1)
    config = GeneratorConfig(**case.network)
    ours = Generator.build(config, vocabulary, NextSymbol(case.tokens, 0.0))
    theirs = Plain(ours)
    each = (len(symbols) - 1) // case.streams // case.steps * case.steps  # whole chunks of equal streams
    text = symbols[: case.streams * each + 1]
    batches = Streams(Dataset(Ragged.from_lengths(text, [len(text)])), case.streams, case.steps)
    rows = [text[begin : begin + each + 1] for begin in range(0, len(text) - 1, each)]
    streams = torch.stack(rows, 1).long()
    check(ours, theirs, batches, streams[: case.steps + 1])
    optimizer, average = make_optimizer(ours.parameters(), LEARNING), WeightAverage(ours, LEARNING.average)
    steps = train_steps(ours.train(), batches, optimizer, average, LEARNING, Place(), 1)
    plain = learn(theirs.train(), streams, case.steps)

    def run(learning: Iterator[Any]) -> None:
        for _ in range(case.updates):
            next(learning)

    return case.updates * case.streams * case.steps, [lambda: run(steps), lambda: run(plain)]


def check(ours: Generator, theirs: Plain, batches: Streams, part: Tensor) -> None:
    """The same loss and gradients of the first chunk, without dropout, but for rounding: bfloat16 rounds more."""
    exact = learnt_in(ours.config.softmax, ours.network.head.weight) is None
    loss, _ = ours.eval().loss(batches.load(batches.plan()[0]))
    scores, _ = theirs.eval()(part[:-1])
    other = F.cross_entropy(scores.flatten(0, 1), part[1:].flatten())
    torch.testing.assert_close(loss, other, rtol=1e-5 if exact else 1e-3, atol=0)
    loss.backward()
    other.backward()
    for our, their in zip(in_their_order(ours), theirs.parameters(), strict=True):
        assert our.grad is not None
        assert their.grad is not None
        off = float((our.grad - their.grad).norm() / their.grad.norm())
        if off > (1e-4 if exact else 1e-2):
            sys.exit(f"expected the same gradients, found them off by {off:.1e} of their norm")


# ---- writing ----


def writing(vocabulary: LanguageVocabulary) -> tuple[int, list[Program]]:
    """Characters of one text, and the calls that write it: ours, theirs."""
    torch.manual_seed(1)
    task = Generator.build(GeneratorConfig(), vocabulary, NextSymbol("char", 0.0))
    with torch.no_grad():
        task.network.head.bias[[PAD, UNK, SOS, EOS]] = -1e4
    model = LanguageModel(ModelConfig(task="generate"), vocabulary, task)
    plain = Plain(task).eval()
    symbols = torch.randint(EOS + 1, len(vocabulary), (50,))
    stepper, state = task.network.stepper(), None
    with torch.no_grad():
        for symbol in symbols.split(1):
            scores, state = plain(symbol[None], state)
            torch.testing.assert_close(stepper(symbol), scores[0], rtol=1e-4, atol=1e-4)

    def ours() -> None:
        written = sum(len(piece) for _, piece in model.go_on(length=WRITTEN, seed=1))
        assert written == WRITTEN

    def theirs() -> None:
        written = "".join(write(plain, vocabulary.written))
        assert len(written) == WRITTEN

    return WRITTEN, [ours, theirs]


@torch.no_grad()
def write(model: Plain, written: list[str]) -> Iterator[str]:
    """Characters one after another, each by its probability."""
    symbol, state = torch.tensor([[SOS]]), None
    for _ in range(WRITTEN):
        scores, state = model(symbol, state)
        symbol = torch.multinomial(scores[-1].softmax(1), 1)
        yield written[symbol.item()]


if __name__ == "__main__":
    sys.exit(main())
