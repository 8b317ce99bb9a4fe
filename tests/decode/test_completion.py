"""The best completions are those of a search through all words."""

import itertools

import pytest
import torch

from throughtime.decode.completion import completions

V, END, NEVER = 5, [0], [4]


def mask(symbols):
    return torch.tensor([symbol in symbols for symbol in range(V)])


def chain(seed):
    """Scores of what comes after two symbols; the state is the last one."""
    table = 2 * torch.randn(V + 1, V, V, generator=torch.Generator().manual_seed(seed))

    def step(symbols, state):
        before = state[0][0, :, 0]
        return table[before, symbols], (symbols[None, :, None],)

    return table, step


def brute_force(table, first, longest):
    never = mask(NEVER)
    found = []
    for length in range(1, longest + 1):
        for word in itertools.product([s for s in range(V) if s not in END + NEVER], repeat=length):
            if word[0] not in first:
                continue
            scores, total, before = table[V, 0], 0.0, 0
            for symbol in word:
                told = scores.double().masked_fill(never, -torch.inf).log_softmax(0)
                total += float(told[symbol])
                scores, before = table[before, symbol], symbol
            told = scores.double().masked_fill(never, -torch.inf).log_softmax(0)
            found.append((word, total + float(told[END].logsumexp(0))))
    return sorted(found, key=lambda one: -one[1])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("first", [[1, 2, 3], [2]])
def test_as_a_search_through_all_words(seed, first):
    table, step = chain(seed)
    state = (torch.zeros(1, 1, 1, dtype=torch.int64),)
    found = completions(
        step,
        table[V, 0][None],
        state,
        mask(END),
        never=mask(NEVER),
        allowed=lambda symbols: None if symbols else mask(first),
        width=500,
        longest=6,
    )
    wanted = brute_force(table, first, 6)[:5]
    assert [word for word, _ in found] == [word for word, _ in wanted]
    assert [logp for _, logp in found] == pytest.approx([logp for _, logp in wanted])


def test_a_narrow_search_gives_words_that_there_are():
    table, step = chain(3)
    state = (torch.zeros(1, 1, 1, dtype=torch.int64),)
    every = dict(brute_force(table, [1, 2, 3], 6))
    found = completions(step, table[V, 0][None], state, mask(END), never=mask(NEVER), width=2, longest=6)
    assert found
    assert all(logp == pytest.approx(every[word]) for word, logp in found)


def test_nothing_may_come():
    table, step = chain(0)
    none = torch.zeros(V, dtype=torch.bool)
    state = (torch.zeros(1, 1, 1, dtype=torch.int64),)
    assert completions(step, table[V, 0][None], state, mask(END), never=mask(NEVER), allowed=lambda symbols: none) == []
