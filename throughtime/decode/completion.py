"""The most probable ways on to the end of a word, out of all that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Completion", "completions"]

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


class Completion(NamedTuple):
    """Symbols that end a word, and how probable they are; what comes after the word is summed over."""

    symbols: tuple[int, ...]
    log_probability: float


def completions(
    step: Step,
    scores: Tensor,
    state: State,
    ends: Tensor,
    *,
    never: Tensor,
    allowed: Callable[[tuple[int, ...]], Tensor | None] | None = None,
    count: int = 5,
    width: int = 64,
    longest: int = 40,
) -> list[Completion]:
    """Find the ``count`` most probable continuations up to where a word ends, best first.

    A continuation ends where a symbol follows that begins something new: its probability is that of its symbols, times
    that of any such symbol after them. As no continuation is more probable than its beginning, what falls behind the
    best ``count`` found is left, and the search ends when nothing better can come: it is exact unless more than
    ``width`` beginnings are worth following at once, or a word is longer than ``longest``.

    Args:
        step: from symbols ``[B]`` and a state, whose parts have ``B`` rows on the second axis, to scores ``[B, V]`` and
            a state.
        scores: ``[1, V]`` of what comes next.
        state: that they were told in, of one sequence.
        ends: ``[V]`` truth values: symbols that begin something new.
        never: ``[V]`` symbols that do not come.
        allowed: from the symbols so far to the ``[V]`` that may follow; none where all may that do not end a
            continuation. One that is not there yet does not end.
        count: how many.
        width: beginnings that are followed at once.
        longest: symbols of a word.

    >>> scores = torch.tensor([[0.6, 0.3, 0.1]]).log()
    >>> ends, never = torch.tensor([True, False, False]), torch.tensor([False, False, False])
    >>> def step(symbols, state):
    ...     return scores.expand(len(symbols), -1), state
    >>> found = completions(step, scores, (), ends, never=never)
    >>> [(symbols, round(logp, 2)) for symbols, logp in found[:3]]
    [((1,), -1.71), ((2,), -2.81), ((1, 1), -2.92)]
    """
    found: list[Completion] = []
    begun: list[tuple[int, ...]] = [()]
    so_far = torch.zeros(1, dtype=torch.float64)
    for length in range(longest + 1):
        told = scores.double().masked_fill(never, -torch.inf).log_softmax(1) + so_far[:, None]
        rules = [None if allowed is None else allowed(symbols) for symbols in begun]
        if length:
            ended = told[:, ends].logsumexp(1).tolist()
            both = zip(begun, ended, rules, strict=True)
            found += [Completion(symbols, logp) for symbols, logp, rule in both if rule is None]
            found = sorted(found, key=lambda one: (-one.log_probability, one.symbols))[:count]
        told = told.masked_fill(~torch.stack([~ends if rule is None else rule for rule in rules]), -torch.inf)
        least = found[-1].log_probability if len(found) == count else -torch.inf
        best, places = told.flatten().topk(min(width, told.numel()))
        places = places[best > least]
        if not len(places) or length == longest:
            break
        rows, symbols = places // told.shape[1], places % told.shape[1]
        so_far = told.flatten()[places]
        begun = [(*begun[row], symbol) for row, symbol in zip(rows.tolist(), symbols.tolist(), strict=True)]
        scores, state = step(symbols, tuple(part.index_select(1, rows) for part in state))
    return found
