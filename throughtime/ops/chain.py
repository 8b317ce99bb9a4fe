"""Paths through a chain of tags: the score of one, the best ones, and sums over all of them.

A path ``y`` through a sequence of ``T`` steps has the score (Lafferty, McCallum & Pereira 2001, eq. 1, with a network's
outputs in place of the sums of features)::

    score(y) = start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_T]

and the probability ``exp(score(y)) / Z``, where ``Z`` sums over all paths. Everything runs in time-major order over the
sequences still running, and in float64: at these sizes a step costs the calls of its operations more than the work.

Letters: ``B`` sequences, ``N`` steps in all, ``T`` steps of one sequence, ``C`` tags. An empty sequence has one path,
the empty one, with score 0 and probability 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from throughtime.ops.linear import linear
from throughtime.ragged import Ragged

__all__ = [
    "Scores",
    "ends",
    "list_viterbi",
    "log_partition",
    "log_partition_reference",
    "path_scores",
    "previous_tags",
    "viterbi",
]

Multiply = Callable[[Tensor, Tensor], Tensor]


class Scores(NamedTuple):
    """What a path scores besides its emissions, in float64; ``-inf`` where no path may go."""

    start: Tensor
    """``[C]``."""
    transitions: Tensor
    """``[C, C]``, from row to column."""
    end: Tensor
    """``[C]``."""


# ---- one path ------------------------------------------------------------------------------------------------


def path_scores(emissions: Ragged, tags: Tensor, scores: Scores) -> Tensor:
    """``[B]`` the score of each sequence's ``tags [N]``, by the formula above."""
    last = ends(emissions)[1]
    # One flat lookup: its gradient adds at N places, where that of a lookup by two indices sorts them first.
    ways = torch.cat([scores.transitions, scores.start[None]]).flatten()
    steps = emissions.values.gather(1, tags[:, None]).squeeze(1)
    steps = steps + ways.index_select(0, previous_tags(emissions, tags) * emissions.values.shape[1] + tags)
    steps = steps.index_add(0, last, scores.end.index_select(0, tags[last]))
    return _sum_steps(emissions.with_values(steps))


def ends(batch: Ragged) -> tuple[Tensor, Tensor]:
    """Where the sequences that are not empty begin and where they end: first and last step of each."""
    filled = batch.lengths > 0
    device = batch.values.device
    return batch.offsets[:-1][filled].to(device), (batch.offsets[1:][filled] - 1).to(device)


def previous_tags(batch: Ragged, tags: Tensor) -> Tensor:
    """``[N]`` the tag before each; ``C`` before the first."""
    previous = tags.roll(1)
    previous[ends(batch)[0]] = batch.values.shape[1]
    return previous


def _sum_steps(batch: Ragged) -> Tensor:
    """``[B]`` sums over each sequence, 0 for an empty one."""
    if not len(batch):  # segment_reduce wants one
        return batch.values
    lengths = batch.lengths.to(batch.values.device)
    return torch.segment_reduce(batch.values, "sum", lengths=lengths, axis=0, initial=0)


# ---- the best paths -------------------------------------------------------------------------------------------


def viterbi(emissions: Ragged, scores: Scores) -> Tensor:
    """``[N]`` tags of the best paths (Viterbi 1967; Rabiner 1989, eq. 32 to 35; for a CRF, Collins 2002).

    No table of back-pointers: which tag was the best to come from is asked on the way back, along one path alone.
    """
    order, count = emissions.time_major, emissions.values.shape[1]
    into = scores.transitions.T.contiguous()
    best: list[Tensor] = []
    for emission in emissions.values[order.gather].split(order.batch_sizes.tolist()):
        entering = (best[-1][: len(emission), None] + into).amax(-1) if best else scores.start
        best.append(entering + emission)
    onward = torch.cat([into, scores.end[None]])  # what follows a tag: another, or the end
    tags = order.gather[:0]
    path = [tags]
    for score in reversed(best):
        following = F.pad(tags, (0, len(score) - len(tags)), value=count)
        tags = (score + onward[following]).argmax(-1)
        path.append(tags)
    return torch.cat(path[::-1])[order.scatter]


def list_viterbi(emissions: Ragged, scores: Scores, n: int) -> tuple[Tensor, Tensor]:
    """Tags ``[N, n]`` and scores ``[B, n]`` of the ``n`` best paths (Seshadri & Sundberg 1994, the parallel algorithm).

    Each tag keeps the ``n`` best ways to it. A column of score ``-inf`` is not a path: there were no more.
    """
    order = emissions.time_major
    sizes = order.batch_sizes.tolist()
    into = scores.transitions.T.contiguous()
    lists = emissions.values.new_empty(0)  # [b, C, K]: the best scores of a way to each tag
    came: list[Tensor] = []  # [b, C·K]: of each of these, its place among the step before
    ended: list[tuple[Tensor, Tensor]] = []  # of the sequences that end here: scores and places among this step
    widths = []
    for step, emission in enumerate(emissions.values[order.gather].split(sizes)):
        if step:
            lists, places = _merge(lists[: len(emission)], into, n)
            came.append(places.flatten(1))
        else:
            lists = scores.start[:, None].expand(len(emission), -1, 1)
        lists = lists + emission[:, :, None]
        widths.append(lists.shape[2])
        stays = sizes[step + 1] if step + 1 < len(sizes) else 0
        ended.append(_finish(lists[stays:], scores.end, n))
    empty = F.pad(lists.new_zeros(len(emissions) - sum(sizes[:1]), 1), (0, n - 1), value=-torch.inf)
    totals = torch.cat([totals for totals, _ in reversed(ended)] + [empty])[order.ranks]
    place = order.gather.new_empty(0, n)
    path = [place]
    for step in reversed(range(len(sizes))):
        earlier = came[step].gather(1, place) if len(place) else place
        place = torch.cat([earlier, ended[step][1]])
        path.append(place // widths[step])
    return torch.cat(path[::-1])[order.scatter], totals


def _finish(lists: Tensor, end: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The ``n`` best ways ``[b, n]`` to the end: scores, ``-inf`` where there are fewer, and places in ``C·K``."""
    if not len(lists):
        return lists.new_empty(0, n), torch.empty(0, n, dtype=torch.int64, device=lists.device)
    totals, places = (found.flatten(1) for found in _merge(lists, end[None], n))
    missing = (0, n - totals.shape[1])
    return F.pad(totals, missing, value=-torch.inf), F.pad(places, missing)


def _merge(lists: Tensor, into: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The ``n`` best of all ``lists [b, C, K] + into [to, C]``: scores and places in ``C·K``, both ``[b, to, ≤ n]``.

    The lists are sorted, so that the next best is the best of their heads; of equal ones, that of the lowest tag.
    Once all lists are spent, what follows scores ``-inf`` (or NaN, from scores that are), and its place means nothing.
    """
    rows, tags, width = lists.shape
    rest = F.pad(lists, (0, 1), value=-torch.inf).flatten(1)
    heads = lists[:, None, :, 0] + into
    taken = torch.zeros(heads.shape, dtype=torch.int64, device=lists.device)
    found, places = [], []
    for _ in range(min(n, tags * width)):
        value, tag = heads.max(-1, keepdim=True)
        rank = taken.gather(-1, tag)
        found.append(value)
        places.append(tag * width + rank.clamp(max=width - 1))
        rank = (rank + 1).clamp(max=width)
        taken.scatter_(-1, tag, rank)
        following = rest.gather(1, (tag * (width + 1) + rank).flatten(1)).view_as(value)
        heads.scatter_(-1, tag, following + into.expand(rows, -1, -1).gather(-1, tag))
    return torch.cat(found, -1), torch.cat(places, -1)


# ---- all paths ------------------------------------------------------------------------------------------------


def log_partition_reference(emissions: Ragged, scores: Scores) -> Tensor:
    """``[B]`` ``log Z`` as the textbook has it (Rabiner 1989, eq. 19 to 21, in logarithms), for any scores.

    :func:`log_partition` is checked against it, and leaves to it what is out of
    its own range.
    """
    order = emissions.time_major
    sizes = order.batch_sizes.tolist()
    ended = [emissions.values.new_zeros(len(emissions) - sum(sizes[:1]))]
    alpha = scores.start
    for step, emission in enumerate(emissions.values[order.gather].split(sizes)):
        if step:
            ended.append(_logsumexp(alpha[len(emission) :] + scores.end))
            alpha = _logsumexp(alpha[: len(emission), None] + scores.transitions.T)
        alpha = alpha + emission
    if sizes:
        ended.append(_logsumexp(alpha + scores.end))
    return torch.cat(ended[::-1])[order.ranks]


def _logsumexp(terms: Tensor) -> Tensor:
    """Over the last dimension. Unlike torch's, its gradient is 0 and not NaN where all terms are ``-inf``."""
    limits = torch.finfo(terms.dtype)
    top = terms.detach().amax(-1, keepdim=True).clamp(min=limits.min)
    total = (terms - top).exp().sum(-1)
    return torch.where(total == 0, -torch.inf, total.clamp(min=limits.tiny).log() + top.squeeze(-1))


def log_partition(emissions: Ragged, scores: Scores) -> Tensor:
    """``[B]`` ``log Z`` of ``emissions [N, C]`` in float64.

    Multiplies probabilities instead of adding logarithms (Rabiner 1989, section V.A: scaled at each step), so that a
    step is one small matrix product. A sequence whose scores lie so far apart that even float64 could underflow, by
    e^150 in one step, goes through :func:`log_partition_reference`: nothing is ever lost.
    """
    if not len(emissions.values):
        return _sum_steps(emissions.with_values(emissions.values.sum(-1)))
    totals: Tensor
    totals, safe = _LogPartition.apply(emissions.values, *scores, emissions)  # type: ignore[no-untyped-call]
    if bool(safe.all()):
        return totals
    rows = (~safe).nonzero().squeeze(1)
    return totals.index_copy(0, rows, log_partition_reference(emissions.take(rows), scores))


class _LogPartition(torch.autograd.Function):
    """``log Z [B]``, and which of them can be trusted. Its gradient asks for no loop: it is made of marginals."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, start: Tensor, transitions: Tensor, end: Tensor, batch: Ragged
    ) -> tuple[Tensor, Tensor]:
        # Without a gradient of the scores nothing is learnt: results, then, are to have the same bits in any batch.
        multiply = torch.bmm if ctx.needs_input_grad[2] else _multiply_rows
        sums = _sum_paths(batch.with_values(values), Scores(start, transitions, end), multiply)
        ctx.batch = batch
        ctx.save_for_backward(sums.marginals, sums.arriving, sums.leaving, values, start, transitions, end)
        ctx.mark_non_differentiable(sums.safe)
        return sums.totals, sums.safe

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        marginals, arriving, leaving, *inputs = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient is to be differentiated in turn: it needs the loop's graph
            totals = log_partition_reference(ctx.batch.with_values(inputs[0]), Scores(*inputs[1:]))
            wanted = iter(torch.autograd.grad(totals, [t for t in inputs if t.requires_grad], grad, create_graph=True))
            return *(next(wanted) if t.requires_grad else None for t in inputs), None
        first, last = ends(ctx.batch)
        transitions, grads = inputs[2], grad[ctx.batch.row_of_step, None]
        weighted, leaving = marginals * grads, leaving * grads
        leaving[first] = 0  # no transition leads to a first step
        pairs = (arriving[:-1].T @ leaving[1:]) * _exp(transitions.flatten()).values.view_as(transitions)
        return weighted, weighted[first].sum(0), pairs, weighted[last].sum(0), None


class _Sums(NamedTuple):
    """Sums over all paths. ``arriving`` is Rabiner's alpha; ``leaving`` is his beta times the step's own emission.

    They are scaled so that a transition ``i → j`` to step ``t`` has the probability
    ``arriving[t - 1, i] · exp(transitions[i, j] - top) · leaving[t, j]``.
    """

    totals: Tensor
    """``[B]`` ``log Z``."""
    marginals: Tensor
    """``[N, C]`` the probability of each tag at each step."""
    arriving: Tensor
    """``[N, C]``."""
    leaving: Tensor
    """``[N, C]``."""
    safe: Tensor
    """``[B]`` where nothing can have underflowed. Elsewhere ``totals`` means nothing, and the rest is 0."""


class _Exponentials(NamedTuple):
    """``exp(scores - top)``, where ``top`` is the maximum of the scores."""

    values: Tensor
    top: Tensor
    fit: Tensor
    """Whether none lies too far below the top; those that are ``-inf`` do not count."""


# How far below 0 the logarithms of scores and of messages may lie. What is multiplied (a message, a transition and an
# emission; two messages that meet, one of them over a transition) then stays above e^-650, and float64 reaches to
# e^-708: no path is lost, and a zero is always that of a path that is not allowed.
_SCORE_RANGE, _MESSAGE_RANGE = 150.0, 250.0


def _exp(scores: Tensor) -> _Exponentials:
    """Over the last dimension."""
    top = scores.amax(-1).clamp(min=torch.finfo(scores.dtype).min)
    relative = scores - top[..., None]
    fit = (relative.masked_fill(relative == -torch.inf, 0) > -_SCORE_RANGE).all(-1)
    return _Exponentials(relative.exp_(), top, fit)


def _sum_paths(emissions: Ragged, scores: Scores, multiply: Multiply) -> _Sums:
    """The forward-backward algorithm (Rabiner 1989, eq. 19 to 27 and 91 to 103), without logarithms in the loop."""
    order, (chances, tops, fit) = emissions.time_major, _exp(emissions.values)
    start, ways, end = (_exp(score.flatten()) for score in scores)
    matrix = ways.values.view_as(scores.transitions)
    # The backward recursion is a forward recursion on the sequences read from their ends: the two run side by side.
    mirror = (emissions.offsets[:-1] + emissions.offsets[1:] - 1).to(tops.device)[emissions.row_of_step]
    mirror = mirror - torch.arange(len(mirror), device=mirror.device)
    before, after, scales = _run(
        chances.index_select(0, torch.cat([order.gather, mirror[order.gather]])).view(2, *chances.shape),
        torch.stack([start.values, end.values])[:, None],
        torch.stack([matrix, matrix.T]),
        order.batch_sizes.tolist(),
        multiply,
    )
    arriving = after[0].index_select(0, order.scatter)
    leaving = after[1].index_select(0, order.scatter[mirror])
    marginals = before[0].index_select(0, order.scatter).mul_(leaving)
    mass = marginals.sum(-1, keepdim=True)
    first, last = ends(emissions)
    entering = ways.top.repeat(len(tops)).index_fill(0, first, start.top.item())
    logs = scales[0][order.scatter].log() + tops + entering
    logs[last] += (arriving[last] * end.values).sum(-1).log() + end.top
    whole = ((after == 0) | (after > math.exp(-_MESSAGE_RANGE))).all(-1).all(0)[order.scatter]
    safe = (start.fit & ways.fit & end.fit).repeat(len(emissions))
    safe[emissions.row_of_step[~(whole & fit)]] = False
    sums = _Sums(_sum_steps(emissions.with_values(logs)), marginals.div_(mass), arriving, leaving.div_(mass), safe)
    if not bool(safe.all()):
        lost = ~safe[emissions.row_of_step]
        for tensor in sums[1:4]:
            tensor[lost] = 0
    return sums


def _run(
    chances: Tensor, first: Tensor, ways: Tensor, sizes: list[int], multiply: Multiply
) -> tuple[Tensor, Tensor, Tensor]:
    """A forward recursion in each of ``D`` directions: ``before`` and ``after`` each step's emission, and its scale.

    From ``chances [D, N, C]`` in time-major order, ``first [D, 1, C]`` and ``ways [D, C, C]``; to ``[D, N, C]`` twice
    and ``[D, N]``. Dividing by the maximum and not by the sum leaves no rounding to the order of summation.
    """
    before: list[Tensor] = []
    after, scales = [], []
    message = first.expand(-1, sizes[0], -1)
    for chance in chances.split(sizes, 1):
        message = multiply(message[:, : chance.shape[1]], ways) if before else message
        product = message * chance
        scale = product.amax(-1, keepdim=True)
        before.append(message)
        message = product / scale
        after.append(message)
        scales.append(scale)
    return torch.cat(before, 1), torch.cat(after, 1), torch.cat(scales, 1).squeeze(-1)


def _multiply_rows(messages: Tensor, ways: Tensor) -> Tensor:
    """``torch.bmm(messages [2, n, C], ways [2, C, C])`` where each of ``ways`` is the other transposed.

    A row's result does not depend on the rows beside it (see :func:`throughtime.ops.linear`).
    """
    return torch.stack([linear(messages[0], ways[1]), linear(messages[1], ways[0])])
