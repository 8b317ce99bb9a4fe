"""Answers a second of a translator, beside our own beam search on torch.nn; and what input feeding costs in training.

    python benchmarks/translation.py --data FOLDER [--threads 2] [--rounds 7] [--only WORD] [--out FILE]

Answering: the plain defaults at the sizes of Multi30k (English to German in pieces) and of CMUdict (letters to phones),
with a beam of 5 and without (the most probable symbol each time). Ours is ``Translator.searcher``, batches as a model
makes them; theirs the same ``beam_search`` over the same batches with a network as one writes it on torch.nn: nn.LSTM
over packed sequences, then nn.LSTMCell or nn.LSTM a step at a time (whichever is the quicker here), attention with
torch.bmm over padded keys and values that are gathered when rows change, and nn.Linear. Weights are as they begin; an
end is ruled out, so that an answer is as long as its source. Both are timed only after their answers agree, but for
answers as probable as others, of which rounding chooses.

Learning: an update's loss and gradients with attention after the recurrence, in the first column, and with input
feeding in the second, ours both times; symbols of both sides a second.

Both sides run in one process in turns; the ratio is theirs over ours, of each round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from language import Program, in_turns
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from throughtime.data.batches import Batches, Dataset
from throughtime.data.encoded_pairs import PairBatches, encode_pairs, encode_side
from throughtime.data.pair import Pair
from throughtime.data.pairs import PairConfig, open_new_pairs
from throughtime.data.two_sided import TwoSided, TwoSidedConfig
from throughtime.data.vocabulary import EOS, SOS
from throughtime.decode.beam import BeamConfig, Hypothesis, beam_search
from throughtime.model.translate import DECODED
from throughtime.ragged import Ragged
from throughtime.tasks.translate import UNSAID, Translator
from throughtime.tasks.translations import Translations, TranslatorConfig

PAIRS = 32
"""Of average length in a batch that is learnt from, as by default."""
CLOSE = 1e-4
"""How far scores of answers may be from each other: sums of some twenty logarithms."""

Search = Callable[[Ragged], list[list[Hypothesis]]]


class Case(NamedTuple):
    """A model by its data, and how many sources are answered at once."""

    name: str
    path: str
    sources: str
    options: dict[str, Any]
    answered: int
    network: dict[str, Any]


CASES = [
    Case(
        "pieces", "multi30k_en_de/train", "multi30k_en_de/test_2016_flickr", {"source": "en", "target": "de"}, 300, {}
    ),
    Case("letters", "cmudict/cmudict.dict.gz", "", {}, 1000, {}),
    Case("letters, GRU", "cmudict/cmudict.dict.gz", "", {}, 1000, {"cell": "gru"}),
]


class AsLong(BeamConfig):
    """Answers as long as their sources: weights that have learnt nothing know no end."""

    def limits(self, lengths: Tensor) -> Tensor:
        """``[B]``, as the lengths are."""
        return lengths


def main() -> int:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--out", type=Path, default=Path("build/translation.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{'':<40}{'ours':>12}{'torch.nn':>12}{'ratio':>8}{'least':>8}   a second, {arguments.threads} threads")
    found = []
    for case in CASES:
        runs = {f"{case.name}, {'a beam of 5' if beam > 1 else 'greedy'}": beam for beam in (5, 1)}
        learning = f"{case.name}, learning: after, feeding"
        wanted = [name for name in (*runs, learning) if arguments.only.lower() in name.lower()]
        if not wanted:
            continue
        data = Data(case, arguments.data)
        for name in wanted:
            units, pair = data.learning() if name == learning else data.answering(runs[name])
            found.append({"case": name} | in_turns(units, pair, arguments.rounds))
            row = found[-1]
            print(
                f"{name:<40}{row['ours']:>12,.0f}{row['torch']:>12,.0f}{row['ratio_median']:>7.2f}×"
                f"{row['ratio_min']:>7.2f}×",
                flush=True,
            )
    machine = f"{os.cpu_count()} cores, {platform.machine()}, PyTorch {torch.__version__}"
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    written = {"machine": machine, "threads": arguments.threads, "cases": found}
    arguments.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 0


def read(path: Path, options: dict[str, Any]) -> list[Pair]:
    """All pairs of a file, or of parallel ones."""
    with open_new_pairs(path, PairConfig(**options)) as opened:
        return list(opened.examples)


class Data:
    """The pairs of a case, and a vocabulary of them."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.pairs = case, read(folder / case.path, case.options)
        self.vocabulary = TwoSided.learn(self.pairs, TwoSidedConfig().told_by(self.pairs))
        sources = read(folder / case.sources, case.options) if case.sources else self.pairs[:: len(self.pairs) // 1000]
        self.sources = [pair.text for pair in sources[: case.answered]]

    def task(self, **network: Any) -> Translator:
        """A network of the plain defaults."""
        torch.manual_seed(1)
        config, _ = TranslatorConfig(**self.case.network, **network).settled_with(self.vocabulary.config)
        return Translator.build(config, self.vocabulary, Translations(self.vocabulary.config.sides, 0.0))

    def answering(self, beam: int) -> tuple[int, list[Program]]:
        """Sources that are answered in one call, and the calls: ours, theirs."""
        task = self.task().eval()
        with torch.no_grad():
            nn.init.normal_(task.decoder.head.bias)  # else all symbols are as probable
            task.decoder.head.bias[EOS] = -30
        batches = Batches(Dataset(encode_side(self.sources, self.vocabulary.source)), DECODED // beam)
        config = AsLong(beam=beam)

        def ours() -> list[Hypothesis]:
            return run(task.searcher(config))

        def run(search: Search) -> list[Hypothesis]:
            answers = dict[int, Hypothesis]()
            for part in batches.plan():
                batch = batches.load(part)
                answers |= zip(batch.rows, (best for best, *_ in search(batch.inputs)), strict=True)
            return [answers[row] for row in range(len(answers))]

        plain = [Plain(task, cells).eval() for cells in (True, False)]
        theirs = [lambda one=one: run(one.searcher(config)) for one in plain]
        for other in theirs:
            check(ours(), other())
        return len(self.sources), [ours, min(theirs, key=seconds)]

    def learning(self) -> tuple[int, list[Program]]:
        """Symbols of both sides of a batch, and the calls that learn from it: attention after, input feeding."""
        rows = encode_pairs(self.pairs[:: len(self.pairs) // 1000], self.vocabulary)
        batches = PairBatches(rows, round(PAIRS * float(rows.lengths.double().mean())), seed=1)
        batch = batches.load(batches.plan()[0])

        def program(task: Translator) -> Program:
            def learn() -> None:
                task.zero_grad()
                task.loss(batch)[0].backward()

            return learn

        return len(batch.inputs.values), [program(self.task(input_feeding=fed)) for fed in (False, True)]


def seconds(program: Program) -> float:
    """How long a call takes; the programs' first calls have been made."""
    begun = time.perf_counter()
    program()
    return time.perf_counter() - begun


def check(ours: list[Hypothesis], theirs: list[Hypothesis]) -> None:
    """All but the same answers, with the same scores: of two that are as probable rounding chooses."""
    same = [
        abs(our.score - their.score) for our, their in zip(ours, theirs, strict=True) if our.symbols == their.symbols
    ]
    if len(same) < 0.97 * len(ours) or max(same) > CLOSE:
        sys.exit(f"expected the same answers, found {len(same)} of {len(ours)}, and scores off by {max(same):.1e}")


# ---- the other model ----


class Plain(nn.Module):
    """The same model on torch.nn, with the same weights; ``cells`` says whether it is stepped by them or by a layer."""

    def __init__(self, ours: Translator, cells: bool) -> None:
        super().__init__()
        config, decoder, encoder = ours.config, ours.decoder, ours.encoder
        assert config.num_layers == 1
        assert config.attention == "general"
        layer, cell = {"lstm": (nn.LSTM, nn.LSTMCell), "gru": (nn.GRU, nn.GRUCell)}[config.cell]
        size, half = config.embedding_size, config.hidden_size // 2
        self.states = 2 if config.cell == "lstm" else 1
        (recurrence,) = decoder.network.recurrences
        own = recurrence.hidden_size
        self.sources = nn.Embedding.from_pretrained(encoder.embedding.weight.detach())
        self.encoder = layer(size, half, bidirectional=True, batch_first=True)
        self.encoder.load_state_dict(encoder.recurrent.state_dict())
        self.symbols = nn.Embedding.from_pretrained(decoder.network.embedding.weight.detach())
        self.cells = cells
        self.recurrent = cell(size, own) if cells else layer(size, own)
        weights = recurrence.state_dict()
        self.recurrent.load_state_dict({name[:-3]: own for name, own in weights.items()} if cells else weights)
        self.bridge, self.key, self.combine, self.head = (
            same(own) for own in (decoder.bridge, decoder.attention.key, decoder.combine, decoder.head)
        )

    def searcher(self, beam: BeamConfig) -> Search:
        """As :meth:`Translator.searcher`."""

        @torch.no_grad()
        def search(sources: Ragged) -> list[list[Hypothesis]]:
            step, final = self.read(sources.to_padded(), sources.lengths)
            parts = self.bridge(final)[None].chunk(self.states, dim=2)
            state = (parts[0].tanh(), *parts[1:], torch.arange(len(sources))[None])
            limits = beam.limits(sources.lengths - 1)
            return beam_search(step, state, begin=SOS, end=EOS, limits=limits, beam=beam.beam, banned=UNSAID)

        return search

    def read(self, sources: Tensor, lengths: Tensor) -> tuple[Any, Tensor]:
        """The step of a search, and the encoder's final vectors, of ``sources [B, T]``."""
        packed = pack_padded_sequence(self.sources(sources), lengths, batch_first=True, enforce_sorted=False)
        outputs, last = self.encoder(packed)
        values, _ = pad_packed_sequence(outputs, batch_first=True)
        keys, padding = self.key(values), torch.arange(values.shape[1]) >= lengths[:, None]
        seen: dict[str, Tensor] = {}

        def step(symbols: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
            *parts, (rows,) = state
            if not seen or not torch.equal(seen["rows"], rows):  # rows leave now and then: most steps see the same
                seen.update(rows=rows, keys=keys[rows], values=values[rows], padding=padding[rows])
            hidden, after = self.run(self.symbols(symbols), parts)
            scores = torch.bmm(seen["keys"], hidden[:, :, None])[:, :, 0].masked_fill_(seen["padding"], -torch.inf)
            context = torch.bmm(scores.softmax(1)[:, None], seen["values"])[:, 0]
            vectors = self.combine(torch.cat([context, hidden], dim=1)).tanh()
            return self.head(vectors), (*after, rows[None])

        h = last[0] if isinstance(last, tuple) else last
        return step, torch.cat([h[0], h[1]], dim=1)

    def run(self, data: Tensor, state: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Outputs ``[R, H]`` of one step, and the state after it."""
        lstm = self.states == 2
        if self.cells:
            given = [part[0] for part in state]
            after = self.recurrent(data, tuple(given) if lstm else given[0])
            return (after[0], tuple(part[None] for part in after)) if lstm else (after, (after[None],))
        outputs, after = self.recurrent(data[None], tuple(part.contiguous() for part in state) if lstm else state[0])
        return outputs[0], after if lstm else (after,)


def same(ours: nn.Linear) -> nn.Linear:
    """The same map on torch.nn."""
    theirs = nn.Linear(ours.in_features, ours.out_features, bias=ours.bias is not None)
    theirs.load_state_dict(ours.state_dict())
    return theirs


if __name__ == "__main__":
    sys.exit(main())
