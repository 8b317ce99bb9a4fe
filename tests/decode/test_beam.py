"""Beam search against all answers there are, against a slow search in plain Python, and against greedy choice."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.decode.beam import BeamConfig, _top, beam_search
from throughtime.nn.decoder import Decoder
from throughtime.ragged import Ragged

END = 0
HASH = 97


class Toy:
    """Scores that depend on all that was said: a number in the state picks the row of a table."""

    def __init__(self, seed, vocabulary, ties=False):
        self.table = torch.randn(HASH, vocabulary, generator=torch.Generator().manual_seed(seed)) * 2
        if ties:
            self.table = self.table.round()
        self.rows = []

    def start(self, sentences):
        return (torch.arange(sentences)[None],)

    def step(self, symbols, state):
        self.rows.append(len(symbols))
        state = (state[0] * 7 + symbols + 1) % HASH
        return self.table[state[0]], (state,)

    def log_probability(self, sentence, begin, symbols):
        """Of symbols and the end."""
        number, total = sentence, 0.0
        for before, after in zip((begin, *symbols), (*symbols, END), strict=True):
            number = (number * 7 + before + 1) % HASH
            total += self.table[number].double().log_softmax(0)[after].item()
        return total


def normalised(total, symbols, alpha):
    return total / ((6 + len(symbols)) / 6) ** alpha


def everything(toy, sentence, limit, alpha, banned=(), prefix=()):
    """Every answer there is, best first."""
    free = [symbol for symbol in range(toy.table.shape[1]) if symbol != END and symbol not in banned]
    answers = [
        (*prefix, *rest) for length in range(limit + 1 - len(prefix)) for rest in itertools.product(free, repeat=length)
    ]
    scored = [(normalised(toy.log_probability(sentence, 1, own), own, alpha), own) for own in answers]
    return sorted(scored, key=lambda pair: -pair[0])


def slow(toy, sentence, limit, alpha, beam, n_best, banned=()):
    """The same search with lists."""
    live, found = [((), 0.0)], []
    for length in range(limit + 1):
        candidates = []
        for symbols, total in live:
            number = sentence
            for symbol in (1, *symbols):
                number = (number * 7 + symbol + 1) % HASH
            logs = toy.table[number].double().log_softmax(0).tolist()
            for symbol, log in enumerate(logs):
                if (symbol not in banned and length < limit) or symbol == END:
                    candidates.append((total + log, symbols, symbol))
        candidates.sort(key=lambda one: -one[0])
        found += [(normalised(total, own, alpha), own) for total, own, symbol in candidates[:beam] if symbol == END]
        live = [((*own, symbol), total) for total, own, symbol in candidates if symbol != END][:beam]
        if len(found) >= beam or not live:
            break
    return sorted(found, key=lambda pair: -pair[0])[:n_best]


@given(
    seed=st.integers(0, 10**6),
    vocabulary=st.integers(3, 4),
    limits=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    alpha=st.sampled_from([0, 0.6, 1, 2]),
    n_best=st.integers(1, 6),
    banned=st.sampled_from([(), (2,)]),
    forced=st.booleans(),
)
@settings(max_examples=60)
def test_a_wide_beam_finds_the_best_of_all_answers(seed, vocabulary, limits, alpha, n_best, banned, forced):
    toy = Toy(seed, vocabulary)
    prefixes = [[2, 1][: min(limit, 2)] for limit in limits] if forced else None
    found = beam_search(
        toy.step,
        toy.start(len(limits)),
        begin=1,
        end=END,
        limits=torch.tensor(limits),
        beam=400,
        n_best=n_best,
        length_penalty=alpha,
        banned=banned,
        prefixes=prefixes,
    )
    for sentence, (own, limit) in enumerate(zip(found, limits, strict=True)):
        wanted = everything(toy, sentence, limit, alpha, banned, tuple(prefixes[sentence]) if prefixes else ())
        assert [answer.score for answer in own] == pytest.approx([score for score, _ in wanted[:n_best]], abs=1e-5)
        assert len(own) == min(n_best, len(wanted))
        assert len({answer.symbols for answer in own}) == len(own)
        for answer in own:
            assert answer.log_probability == pytest.approx(toy.log_probability(sentence, 1, answer.symbols), abs=1e-5)


@given(
    seed=st.integers(0, 10**6),
    limits=st.lists(st.integers(0, 8), min_size=1, max_size=4),
    alpha=st.sampled_from([0, 1]),
    beam=st.integers(1, 5),
    data=st.data(),
)
@settings(max_examples=60)
def test_it_equals_a_slow_search(seed, limits, alpha, beam, data):
    """Which does not stop early: what is found is the same."""
    toy, n_best = Toy(seed, 7), data.draw(st.integers(1, beam))
    options = {"begin": 1, "end": END, "beam": beam, "n_best": n_best, "length_penalty": alpha, "banned": [3]}
    found = beam_search(toy.step, toy.start(len(limits)), limits=torch.tensor(limits), **options)
    for sentence, (own, limit) in enumerate(zip(found, limits, strict=True)):
        wanted = slow(toy, sentence, limit, alpha, beam, n_best, banned=[3])
        assert [answer.symbols for answer in own] == [symbols for _, symbols in wanted]
        assert [answer.score for answer in own] == pytest.approx([score for score, _ in wanted], abs=1e-5)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("alpha", [0, 1, 5])
def test_a_beam_of_one_is_greedy(alpha, ties):
    toy, limits = Toy(4, 6, ties), torch.tensor([9, 0, 4, 12, 12, 12, 12])
    found = beam_search(
        toy.step, toy.start(7), begin=1, end=END, limits=limits, beam=1, length_penalty=alpha, banned=[5]
    )
    for sentence, ([own], limit) in enumerate(zip(found, limits.tolist(), strict=True)):
        symbols, number, last = [], sentence, 1
        while len(symbols) < limit:
            number = (number * 7 + last + 1) % HASH
            last = max(range(5), key=lambda symbol: (toy.table[number, symbol].item(), -symbol))
            if last == END:
                break
            symbols.append(last)
        assert own.symbols == tuple(symbols)


def test_a_sentence_is_the_same_whatever_stands_beside_it():
    toy, limits = Toy(11, 9, ties=True), torch.tensor([6, 3, 9, 1])
    options = {"begin": 1, "end": END, "beam": 4, "n_best": 4}
    together = beam_search(toy.step, toy.start(4), limits=limits, **options)
    for sentence in range(4):
        state = (torch.tensor([[sentence]]),)
        assert beam_search(toy.step, state, limits=limits[sentence : sentence + 1], **options) == [together[sentence]]


def test_finished_sentences_leave_the_batch():
    """The first ends at once with all but certainty; the second cannot."""
    seen = []

    def step(symbols, state):
        seen.append(state[0].flatten().tolist())
        ends = torch.tensor([[8.0, 0.0, 0.0], [-8.0, 0.0, 0.1]])
        return ends[state[0][0]], state

    options = {"begin": 1, "end": END, "limits": torch.tensor([9, 4]), "beam": 2, "length_penalty": 0}
    first, second = beam_search(step, (torch.tensor([[0, 1]]),), **options)
    assert seen == [[0, 1], [1, 1], [1, 1], [1, 1], [1, 1]]
    assert first[0].symbols == ()
    assert second[0].symbols == (2, 2, 2, 2)


def test_it_stops_when_nothing_can_improve():
    toy = Toy(0, 3)
    toy.table[:] = torch.tensor([2.0, 0, 0])
    options = {"begin": 1, "end": END, "limits": torch.tensor([50]), "beam": 9}
    beam_search(toy.step, toy.start(1), **options, length_penalty=0)
    assert len(toy.rows) == 1
    toy.rows.clear()
    beam_search(toy.step, toy.start(1), **options, n_best=3, length_penalty=0)
    assert len(toy.rows) == 2
    toy.rows.clear()
    beam_search(toy.step, toy.start(1), **options, length_penalty=5)  # a long one might be better
    assert len(toy.rows) > 2


def test_what_cannot_be_said_is_not():
    def step(symbols, state):
        return torch.tensor([[-math.inf, 0.0, -math.inf]]).expand(len(symbols), -1), state

    assert beam_search(step, (), begin=1, end=END, limits=torch.tensor([3]), beam=2) == [[]]
    assert beam_search(step, (), begin=1, end=END, limits=torch.tensor([], dtype=torch.int64)) == []
    with pytest.raises(ValueError, match="expected scores that are numbers, found NaN"):
        beam_search(lambda *_: (torch.tensor([[math.nan, 0.0]]), ()), (), begin=1, end=END, limits=torch.tensor([3]))


def test_of_equals_the_lower_numbers_come_first():
    values, symbols = _top(torch.tensor([[1.0, 3, 3, 0, 3, 1], [5, 5, 5, 5, 5, 5], [0, 1, 2, 3, 4, 5]]), 4)
    assert symbols.tolist() == [[1, 2, 4, 0], [0, 1, 2, 3], [5, 4, 3, 2]]
    assert values[0].tolist() == [3, 3, 3, 1]


def test_limits_are_absolute_and_by_the_source():
    config = BeamConfig(max_length=20, max_ratio=1.5)
    assert config.limits(torch.tensor([0, 1, 5, 90])).tolist() == [10, 12, 18, 20]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_best": 4}, "expected n_best from 1 to the beam's 3, found 4"),
        ({"n_best": 0}, "expected n_best from 1 to the beam's 3, found 0"),
        ({"length_penalty": -1}, "expected a length_penalty of at least 0, found -1"),
        ({"limits": torch.tensor([2.0])}, r"expected limits of int64 \[B\], none below 0, found torch.float32 \[1\]"),
        ({"limits": torch.tensor([-1])}, "none below 0"),
        ({"prefixes": [[1], [2]]}, "expected a prefix for each of 1 sentences, found 2"),
        ({"prefixes": [[1, 2, 1]]}, "expected prefixes within the limit of 2 symbols, found 3"),
        ({"prefixes": [[1, 0]]}, "expected prefixes without the symbol 0 that ends, found one"),
    ],
)
def test_what_does_not_fit_is_named(changed, message):
    toy = Toy(0, 3)
    given = {"begin": 1, "end": END, "limits": torch.tensor([2]), "beam": 3}
    with pytest.raises(ValueError, match=message):
        beam_search(toy.step, toy.start(1), **given | changed)


@pytest.mark.parametrize("input_feeding", [False, True])
@torch.no_grad()
def test_what_a_decoder_says_is_as_probable_as_when_it_is_told(input_feeding):
    """Beams of several sentences look at their own sources; the state follows its beginning."""
    torch.manual_seed(0)
    decoder = Decoder(
        6, memory_size=4, cell="lstm", embedding_size=5, hidden_size=8, num_layers=2, input_feeding=input_feeding
    ).eval()
    for parameter in decoder.parameters():
        parameter.mul_(3)  # so that sources and beginnings matter
    sources = Ragged.from_list([torch.randn(length, 4) for length in (3, 1, 4)])
    memory, start = decoder.remember(sources), decoder.start(torch.randn(3, 4))

    def step(symbols, state):
        *own, rows = state
        scores, after = decoder.step(symbols, memory, tuple(own), rows[0])
        return scores, (*after, rows)

    state = (*start, torch.arange(3)[None])
    found = beam_search(step, state, begin=1, end=END, limits=torch.tensor([5, 3, 6]), beam=4, n_best=4)
    assert len({own[0].symbols for own in found}) > 1
    answers = [(row, answer) for row, own in enumerate(found) for answer in own]
    rows = torch.tensor([row for row, _ in answers])
    told = Ragged.from_list([torch.tensor([1, *answer.symbols]) for _, answer in answers])
    state = tuple(part.index_select(1, rows) for part in start)
    logs = told.with_values(decoder.head(decoder(told, memory, state, rows).outputs.values).log_softmax(1))
    for own, (_, answer) in zip(logs, answers, strict=True):
        wanted = own.gather(1, torch.tensor([*answer.symbols, END])[:, None]).sum().item()
        assert answer.log_probability == pytest.approx(wanted, abs=1e-4)
