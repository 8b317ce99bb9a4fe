"""Beam search: the most probable sequences that a model would say, several sentences at a time.

It knows nothing of networks: a step goes in. What is sorted and selected is a few candidates a row; the scores of all
symbols are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from throughtime.config import Config

__all__ = ["BeamConfig", "Hypothesis", "beam_search"]

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]

BLOCK = 32
"""Scores whose largest is found first."""


class BeamConfig(Config):
    """How the best answer is searched for."""

    beam: int = Field(5, ge=1, description="beginnings that are followed at once; 1 takes the most probable symbol")
    length_penalty: float = Field(
        1.0,
        ge=0,
        le=20,
        description="how much longer answers are favoured: 0 not at all, 1 about by the mean of their symbols",
    )
    max_length: int | None = Field(
        None, ge=0, le=10**9, description="symbols of an answer at most (none: as many as its source's length allows)"
    )
    max_ratio: float = Field(3.0, ge=0, le=1000, description="symbols at most for each of the source's, plus ten")
    keep: float | None = Field(
        None,
        description="of corrections: keep a change of the source only where it touches one or two words and makes the "
        "answer more probable by this many nats (none: whatever is found)",
    )

    def limits(self, lengths: Tensor) -> Tensor:
        """``[B]``: the most symbols of each answer, from the sources' ``lengths [B]``.

        >>> BeamConfig(max_length=50).limits(torch.tensor([2, 30]))
        tensor([16, 50])
        """
        limits = (lengths * self.max_ratio).ceil().long().add(10)
        return limits if self.max_length is None else limits.clamp(max=self.max_length)


class Hypothesis(NamedTuple):
    """One answer."""

    symbols: tuple[int, ...]
    """Without the first and the last."""
    log_probability: float
    """Of all its symbols and the end, in nats."""
    score: float
    """The same with its length taken into account: what answers are ranked by."""


@torch.no_grad()
def beam_search(
    step: Step,
    state: State,
    *,
    begin: int,
    end: int,
    limits: Tensor,
    beam: int = 5,
    n_best: int = 1,
    length_penalty: float = 1.0,
    banned: Sequence[int] = (),
    prefixes: Sequence[Sequence[int]] | None = None,
) -> list[list[Hypothesis]]:
    """Find the ``n_best`` answers for each of ``B`` sentences, best first.

    At each step a sentence's beginnings are continued by every symbol. Of the ``beam`` best continuations those by
    ``end`` are answers; the ``beam`` best others are followed. A sentence is done, and leaves the batch, when ``beam``
    answers are found, or when no beginning can become better than the ``n_best`` found, however long it grows. The
    answers are all different. A beam of 1 is greedy: the most probable symbol at each step. Of equals the one whose
    beginning was better comes first, then the lower symbol, whatever other sentences stand beside it.

    The score is ``log p / ((5 + n) / 6) ** length_penalty`` for ``n`` symbols, ``end`` included (Wu et al. 2016,
    "Google's neural machine translation system", eq. 14, without coverage).

    Args:
        step: from symbols ``[R]`` and a state, whose parts have ``R`` rows on the second axis, to scores ``[R, V]`` of
            what follows (log-probabilities but for a number a row) and a state.
        state: before the first symbol, with ``B`` rows.
        begin: the symbol that is read first.
        end: the symbol that ends an answer.
        limits: ``[B]`` the most symbols of each answer, without ``begin`` and ``end``: then it must end.
        beam: beginnings followed at once.
        n_best: answers wanted; fewer come where there are no more.
        length_penalty: 0 or more.
        banned: symbols that are not said, unless a prefix has them.
        prefixes: symbols that each of the ``B`` answers begins with; they count as any others.

    Raises:
        ValueError: for ``n_best`` beyond ``beam``, numbers or lengths out of their range, and scores that are NaN.

    >>> table = torch.tensor([[0.1, 0.6, 0.3], [0.7, 0.2, 0.1], [0.9, 0.05, 0.05]]).log()  # 0 ends
    >>> def step(symbols, state):
    ...     return table[symbols], state
    >>> limits = torch.tensor([3])
    >>> (found,) = beam_search(step, (), begin=0, end=0, limits=limits, beam=3, n_best=3, length_penalty=0)
    >>> tuple((answer.symbols, round(answer.log_probability, 2)) for answer in found)
    (((1,), -0.87), ((2,), -1.31), ((), -2.3))
    """
    _check(limits, end, beam, n_best, length_penalty, prefixes)
    limit = limits.tolist()
    least = [(((6 + most) / 6) ** length_penalty) for most in limit]  # what a beginning's score is at least divided by
    found: list[list[Hypothesis]] = [[] for _ in limit]
    owner = torch.arange(len(limit))
    symbols, so_far, said = torch.full_like(owner, begin), owner.double() * 0, owner.new_empty(len(limit), 0)
    for length in range(max(limit, default=-1) + 1):
        scores, state = step(symbols, state)
        rows, symbols, totals = _candidates(scores, so_far, owner, beam, banned, _forced(length, limits, prefixes, end))
        owned = owner[rows]
        ends = symbols == end
        answers = (ends & (_place(owned, torch.ones_like(ends)) < beam)).nonzero().flatten()
        penalty = ((6 + length) / 6) ** length_penalty
        told = (owned[answers], totals[answers], said[rows[answers]])
        for sentence, total, own in zip(*(part.tolist() for part in told), strict=True):
            found[sentence].append(Hypothesis(tuple(own), total, total / penalty))
        live = (~ends & (_place(owned, ~ends) < beam)).nonzero().flatten()
        done = _done(found, owned[live], totals[live], least, beam, n_best)
        live = live[~done[owned[live]]]
        if not len(live):
            break
        rows, symbols, so_far = rows[live], symbols[live], totals[live]
        owner, said = owner[rows], torch.cat([said[rows], symbols[:, None]], dim=1)
        state = tuple(part.index_select(1, rows.to(part.device)) for part in state)
    return [sorted(own, key=lambda answer: -answer.score)[:n_best] for own in found]


def _check(
    limits: Tensor, end: int, beam: int, n_best: int, length_penalty: float, prefixes: Sequence[Sequence[int]] | None
) -> None:
    """Raise for what does not fit."""
    if limits.dtype != torch.int64 or limits.dim() != 1 or bool((limits < 0).any()):
        raise ValueError(f"expected limits of int64 [B], none below 0, found {limits.dtype} {list(limits.shape)}")
    if not 1 <= n_best <= beam:
        raise ValueError(f"expected n_best from 1 to the beam's {beam}, found {n_best}")
    if length_penalty < 0:
        raise ValueError(f"expected a length_penalty of at least 0, found {length_penalty}")
    if prefixes is not None:
        if len(prefixes) != len(limits):
            raise ValueError(f"expected a prefix for each of {len(limits)} sentences, found {len(prefixes)}")
        for prefix, most in zip(prefixes, limits.tolist(), strict=True):
            if len(prefix) > most:
                raise ValueError(f"expected prefixes within the limit of {most} symbols, found {len(prefix)}")
            if end in prefix:
                raise ValueError(f"expected prefixes without the symbol {end} that ends, found one")


def _forced(length: int, limits: Tensor, prefixes: Sequence[Sequence[int]] | None, end: int) -> Tensor:
    """``[B]``: the only symbol that may follow, or -1."""
    forced = torch.where(limits == length, end, -1)
    for sentence, prefix in enumerate(prefixes or ()):
        if length < len(prefix):
            forced[sentence] = prefix[length]
    return forced


def _candidates(
    scores: Tensor, so_far: Tensor, owner: Tensor, beam: int, banned: Sequence[int], forced: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The best continuations of each sentence, best first: row, symbol, log-probability.

    There are twice as many as the beam, since each row may end. Within a row only the scores are compared, so that
    rounding makes no equals of what was not.
    """
    count = min(beam + 1 + len(banned), scores.shape[1])
    values, symbols = _top(scores, count)
    sums = _log_sums(scores, values[:, :1], symbols[:, :1])
    values, symbols = values.cpu().double(), symbols.cpu()
    if bool(values.isnan().any()):
        raise ValueError("expected scores that are numbers, found NaN")
    for symbol in banned:
        values = values.masked_fill(symbols == symbol, -torch.inf)
    only = forced[owner]
    if bool((only >= 0).any()):
        must = only >= 0
        own = scores.gather(1, only.clamp(min=0)[:, None].to(scores.device)).cpu().double()
        first = torch.arange(count) == 0
        symbols = torch.where(must[:, None], only[:, None], symbols)
        values = torch.where(must[:, None], torch.where(first, own, -torch.inf), values)
    values += (so_far - sums.cpu().double())[:, None]
    place = _place(owner, torch.ones_like(owner, dtype=torch.bool))
    begins = (place == 0).nonzero().flatten()
    sentence = (place == 0).cumsum(0) - 1
    table = values.new_full((len(begins), beam, count), -torch.inf)
    table[sentence, place] = values
    totals, order = table.flatten(1).sort(dim=1, descending=True, stable=True)
    possible = totals[:, : 2 * beam] > -torch.inf
    rows = (begins[:, None] + order[:, : 2 * beam] // count)[possible]
    return rows, symbols[rows, order[:, : 2 * beam][possible] % count], totals[:, : 2 * beam][possible]


def _top(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` largest of each row of ``scores [R, V]``, largest first, of equals the lower number first."""
    values, symbols = _largest(scores, min(count + 1, scores.shape[1]))
    equals = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -torch.inf)
    rows = equals.any(1).nonzero().flatten()
    values, symbols = values[:, :count], symbols[:, :count]
    if len(rows):  # whose order topk leaves open
        own = scores.index_select(0, rows)
        symbols[rows] = own.argsort(dim=1, descending=True, stable=True)[:, :count]
        values[rows] = own.gather(1, symbols[rows])
    return values, symbols


def _largest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """``topk`` of each row of ``scores [R, V]``, which is slow where few of many are sought.

    They are in those blocks of a row whose largest are the largest: one pass finds these, and only they are sorted.
    """
    whole = scores.shape[1] // BLOCK
    if whole < 4 * count:
        return scores.topk(count, dim=1)
    blocks = scores[:, : whole * BLOCK].unflatten(1, (whole, BLOCK))
    best = blocks.amax(2).topk(count, dim=1, sorted=False).indices
    some = blocks.gather(1, best[:, :, None].expand(-1, -1, BLOCK)).flatten(1)
    values, places = torch.cat([some, scores[:, whole * BLOCK :]], dim=1).topk(count, dim=1)
    begins = torch.cat([best, best.new_full((len(best), 1), whole)], dim=1) * BLOCK
    block = (places // BLOCK).clamp(max=count)
    return values, begins.gather(1, block) + places - block * BLOCK


def _log_sums(scores: Tensor, largest: Tensor, symbols: Tensor) -> Tensor:
    """``[R]``: ``logsumexp`` of each row, from how probable its largest ``[R, 1]`` is: a softmax is the quicker."""
    return (largest - scores.softmax(1).gather(1, symbols).log()).squeeze(1)


def _place(owner: Tensor, counted: Tensor) -> Tensor:
    """For each candidate, how many counted ones of its sentence stand before it; sentences stand together.

    >>> _place(torch.tensor([0, 0, 0, 1, 1]), torch.tensor([True, False, True, False, True]))
    tensor([0, 1, 1, 0, 0])
    """
    before = counted.cumsum(0) - counted.long()
    if not len(owner):
        return before
    sizes = torch.bincount(owner)
    starts = (sizes.cumsum(0) - sizes).clamp(max=len(owner) - 1)
    return before - before[starts][owner]


def _done(
    found: list[list[Hypothesis]], owner: Tensor, totals: Tensor, least: list[float], beam: int, n_best: int
) -> Tensor:
    """``[B]``: whether a sentence is done, given its live beginnings and their log-probabilities, best first."""
    done = torch.ones(len(found), dtype=torch.bool)
    best = torch.ones_like(owner, dtype=torch.bool)
    best[1:] = owner[1:] != owner[:-1]
    for sentence, total in zip(owner[best].tolist(), totals[best].tolist(), strict=True):
        own = found[sentence]
        if len(own) < n_best:
            done[sentence] = False
        elif len(own) < beam:
            worst = sorted((answer.score for answer in own), reverse=True)[n_best - 1]
            done[sentence] = total / least[sentence] <= worst
    return done
