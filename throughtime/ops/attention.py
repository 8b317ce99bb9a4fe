"""Attention of queries over sequences of unequal length: a weighted mean of a sequence's values for each query.

A query ``q`` looks at the steps ``s`` of one sequence, each with a key ``k_s`` and a value ``v_s``::

    weights = softmax_s(q · k_s)                dot product (Luong, Pham & Manning 2015, section 3.1)
    weights = softmax_s(u · tanh(q + k_s))      additive (Bahdanau, Cho & Bengio 2015, appendix A.1.2)
    context = sum_s weights_s · v_s

What projects queries and keys is the caller's (:mod:`throughtime.nn.attention`).

Letters: ``B`` sequences, ``M`` steps in all, ``N`` queries, ``A`` size of queries and keys, ``K`` size of values, ``P``
pairs of a query and a step of its sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from throughtime.ops.linear import linear
from throughtime.ragged import Ragged, reorder

__all__ = ["Attended", "Memory", "attend", "attend_reference"]

IN_CACHE = 2**18
"""Numbers of additive attention's ``tanh(q + k)`` that are made, used and overwritten at a time."""


class Attended(NamedTuple):
    """What :func:`attend` gives."""

    context: Tensor
    """``[N, K]``."""
    weights: Ragged
    """``[P]``: for each query the weights of its sequence's steps."""


def attend_reference(
    queries: Tensor, rows: Tensor, keys: Ragged, values: Ragged, vector: Tensor | None = None
) -> Attended:
    """Query by query, in plain PyTorch; see :func:`attend`.

    >>> keys = Ragged.from_list([[[1.0], [1.0]], [[3.0]]])
    >>> context, weights = attend_reference(torch.tensor([[7.0]]), torch.tensor([0]), keys, keys)
    >>> context, weights.to_list()
    (tensor([[1.]]), [[0.5, 0.5]])
    """
    contexts, weights = [values.values[:0]], [queries[:0].sum(1)]
    for query, row in zip(queries, rows.tolist(), strict=True):
        scores = keys[row] @ query if vector is None else (keys[row] + query).tanh() @ vector
        weights.append(scores.softmax(0))
        contexts.append(weights[-1][None] @ values[row])
    return Attended(
        torch.cat(contexts), Ragged.from_lengths(torch.cat(weights), [len(weight) for weight in weights[1:]])
    )


@dataclass(frozen=True)
class Memory:
    """``B`` sequences of keys and values, arranged so that those of equal length stand side by side.

    Attributes:
        keys: ``[M, A]``, in that arrangement.
        values: ``[M, K]``, likewise.
        places: ``[B]`` where each sequence stands, on the CPU.
        lengths: the sequences' steps, in the arrangement.
        symbols: ``[M]`` what stands at the steps, the sequences in their own order, where someone has use for it.
    """

    keys: Tensor
    values: Tensor
    places: Tensor
    lengths: list[int]
    symbols: Ragged | None = None

    @classmethod
    def of(cls, keys: Ragged, values: Ragged, queries: Tensor | None = None) -> Memory:
        """From ``keys [M, A]`` and ``values [M, K]`` of the same sequences.

        Args:
            keys: what queries are compared with.
            values: what contexts are means of.
            queries: ``[B]`` how many each sequence will get, where that is known: equal numbers are computed together.

        >>> steps = Ragged.from_lengths(torch.arange(4.0)[:, None], [2, 1, 1])
        >>> memory = Memory.of(steps, steps)
        >>> memory.places, memory.lengths, memory.keys.flatten()
        (tensor([2, 0, 1]), [1, 1, 2], tensor([2., 3., 0., 1.]))
        """
        order = (
            torch.arange(len(keys)) if queries is None else torch.argsort(queries.cpu(), descending=True, stable=True)
        )
        order = order[torch.argsort(keys.lengths[order], stable=True)]
        steps = Ragged(torch.arange(len(keys.values)), keys.offsets).take(order)
        device = keys.values.device
        gather, scatter = steps.values.to(device), _inverse(steps.values).to(device)
        arranged = reorder(keys.values, gather, scatter)
        # Where values are the keys, their gradients meet before they are put back into order.
        same = arranged if values.values is keys.values else reorder(values.values, gather, scatter)
        return cls(arranged, same, _inverse(order), steps.lengths.tolist())


class Block(NamedTuple):
    """Sequences of the arrangement that follow each other and have equal sizes."""

    sequences: int
    queries: int
    """Of each sequence."""
    steps: int
    """Of each sequence."""


def attend(
    queries: Tensor, rows: Tensor, memory: Memory, vector: Tensor | None = None, *, alone: bool = True
) -> Attended:
    """Weighted means of values, one for each query, without work on padding.

    Sequences of equal length that have the same number of queries are multiplied together. Additive attention makes its
    ``[P, A]`` numbers a part at a time, once more in the backward pass, and never holds them all. Where nothing is
    learnt each sequence is multiplied by itself, so that on a CPU a query has the same bits whatever else is asked.

    Args:
        queries: ``[N, A]``.
        rows: ``[N]`` the sequence that each of them looks at, on the CPU, in any order.
        memory: the sequences.
        vector: ``u [A]`` of additive attention; none for the dot product.
        alone: whether each sequence is multiplied by itself where nothing is learnt; otherwise together as in training,
            which is quicker, and rounds a query otherwise beside others.

    Returns:
        Contexts and weights, both differentiable, once.

    Raises:
        ValueError: for a query of an empty sequence, rows that there are not, and sizes that do not fit.

    >>> steps = Ragged.from_list([[[1.0], [1.0]], [[3.0]]])
    >>> context, weights = attend(torch.tensor([[7.0], [2.0]]), torch.tensor([1, 0]), Memory.of(steps, steps))
    >>> context, weights.to_list()
    (tensor([[3.],
            [1.]]), [[1.0], [0.5, 0.5]])
    """
    _check(queries, rows, memory, vector)
    places = memory.places[rows]
    counts = torch.bincount(places, minlength=len(memory.lengths))
    sizes = list(zip(counts.tolist(), memory.lengths, strict=True))
    if any(queries and not steps for queries, steps in sizes):
        row = int(rows[torch.tensor(memory.lengths)[places] == 0][0])
        raise ValueError(f"expected steps for every query, found an empty sequence in row {row}")
    if bool((places[1:] >= places[:-1]).all()):  # as they are where each sequence has one query, or a search asks
        return _in_order(queries, places, sizes, memory, vector, alone)
    order = torch.argsort(places, stable=True)
    inverse = _inverse(order)
    gather, scatter = order.to(queries.device), inverse.to(queries.device)
    found = _in_order(reorder(queries, gather, scatter), places[order], sizes, memory, vector, alone)
    return Attended(reorder(found.context, scatter, gather), found.weights.take(inverse))


def _in_order(
    queries: Tensor, places: Tensor, sizes: list[tuple[int, int]], memory: Memory, vector: Tensor | None, alone: bool
) -> Attended:
    """As :func:`attend`, of queries in the memory's arrangement; ``sizes`` are each sequence's queries and steps."""
    if alone and not torch.is_grad_enabled():
        context, flat = _one_by_one(queries, memory, vector, [Block(1, *own) for own in sizes])
    else:
        blocks = [Block(len(list(run)), *own) for own, run in groupby(sizes)]
        context, flat = _Attend.apply(queries, memory.keys, memory.values, vector, blocks)  # type: ignore[no-untyped-call]
    return Attended(context, Ragged.from_lengths(flat, torch.tensor(memory.lengths)[places]))


def _check(queries: Tensor, rows: Tensor, memory: Memory, vector: Tensor | None) -> None:
    """Raise for what does not fit together."""
    keys = memory.keys
    if queries.dim() != 2 or queries.shape[1] != keys.shape[1] or queries.dtype != keys.dtype:
        raise ValueError(
            f"expected queries of {keys.dtype} [N, {keys.shape[1]}] as the keys, "
            f"found {queries.dtype} {list(queries.shape)}"
        )
    if vector is not None and vector.shape != keys.shape[1:]:
        raise ValueError(f"expected a vector [{keys.shape[1]}], found {list(vector.shape)}")
    if rows.dtype != torch.int64 or rows.shape != queries.shape[:1] or rows.is_cuda:
        raise ValueError(f"expected rows of int64 [{len(queries)}] on the CPU, found {rows.dtype} {list(rows.shape)}")
    if len(rows):
        least, most = (int(end) for end in rows.aminmax())
        if least < 0 or most >= len(memory.lengths):
            raise ValueError(f"expected rows of 0 … {len(memory.lengths) - 1}, found {least if least < 0 else most}")


def _inverse(order: Tensor) -> Tensor:
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(len(order))
    return inverse


def _one_by_one(queries: Tensor, memory: Memory, vector: Tensor | None, blocks: list[Block]) -> tuple[Tensor, Tensor]:
    """As :class:`_Attend`'s forward pass, with products whose rows do not depend on each other."""
    contexts, weights = [memory.values[:0]], [queries[:0].flatten()]
    views = zip(_queries(blocks, queries), _steps(blocks, memory.keys), _steps(blocks, memory.values), strict=True)
    for query, key, value in views:
        if not query.shape[1]:
            continue
        if vector is None:
            scores = linear(query[0], key[0])
        else:
            scores = torch.cat(
                [
                    linear(hidden.flatten(0, 2), vector[None]).view(-1, key.shape[1])
                    for *_, hidden in _hidden(query, key)
                ]
            )
        own = scores.softmax(-1)
        contexts.append(linear(own, value[0].t()))
        weights.append(own.flatten())
    return torch.cat(contexts), torch.cat(weights)


class _Attend(torch.autograd.Function):
    """Contexts ``[N, K]`` and weights ``[P]`` of queries that stand in the memory's arrangement."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, vector: Tensor | None, blocks: list[Block]
    ) -> tuple[Tensor, Tensor]:
        context = values.new_empty(len(queries), values.shape[1])
        weights = queries.new_empty(sum(block.sequences * block.queries * block.steps for block in blocks))
        views = zip(
            _pairs(blocks, weights),
            _queries(blocks, queries),
            _steps(blocks, keys),
            _steps(blocks, values),
            _queries(blocks, context),
            strict=True,
        )
        for own, query, key, value, mean in views:
            if not query.shape[1]:
                continue
            if vector is None:
                torch.bmm(query, key.mT, out=own)
            else:
                for rows, some, hidden in _hidden(query, key):
                    own[rows, some] = hidden @ vector
            torch.softmax(own, -1, out=own)
            torch.bmm(own, value, out=mean)
        ctx.blocks = blocks
        ctx.save_for_backward(queries, keys, values, vector, weights)
        return context, weights

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # else a second derivative would be left out in silence
            raise RuntimeError("expected create_graph=False: attend has no second derivatives")
        by_context, by_weights = (grad.contiguous() for grad in grads)
        queries, keys, values, vector, weights = ctx.saved_tensors
        by_queries, by_keys, by_values = (
            queries.new_empty(queries.shape),
            torch.zeros_like(keys),
            torch.zeros_like(values),
        )
        by_vector = None if vector is None else torch.zeros_like(vector)
        blocks = ctx.blocks
        views = zip(
            *(_pairs(blocks, flat) for flat in (weights, by_weights)),
            *(_queries(blocks, rows) for rows in (queries, by_queries, by_context)),
            *(_steps(blocks, rows) for rows in (keys, by_keys, values, by_values)),
            strict=True,
        )
        for own, by_own, query, by_query, by_mean, key, by_key, value, by_value in views:
            if not query.shape[1]:
                continue
            torch.bmm(own.mT, by_mean, out=by_value)
            by_scores = torch.baddbmm(by_own, by_mean, value.mT).mul_(own)
            by_scores.addcmul_(own, by_scores.sum(-1, keepdim=True), value=-1)
            if by_vector is None:
                torch.bmm(by_scores, key, out=by_query)
                torch.bmm(by_scores.mT, query, out=by_key)
            else:
                _additive_backward(by_scores, query, key, vector, by_query, by_key, by_vector)
        return by_queries, by_keys, by_values, by_vector, None


def _queries(blocks: list[Block], rows: Tensor) -> list[Tensor]:
    """Each block's rows of ``[N, …]``, as ``[sequences, queries, …]``."""
    parts = rows.split([block.sequences * block.queries for block in blocks])
    return [own.view(block[0], block[1], rows.shape[1]) for own, block in zip(parts, blocks, strict=True)]


def _steps(blocks: list[Block], rows: Tensor) -> list[Tensor]:
    """Each block's rows of ``[M, …]``, as ``[sequences, steps, …]``."""
    parts = rows.split([block.sequences * block.steps for block in blocks])
    return [own.view(block[0], block[2], rows.shape[1]) for own, block in zip(parts, blocks, strict=True)]


def _pairs(blocks: list[Block], flat: Tensor) -> list[Tensor]:
    """Each block's numbers of ``[P]``, as ``[sequences, queries, steps]``."""
    parts = flat.split([block.sequences * block.queries * block.steps for block in blocks])
    return [own.view(block) for own, block in zip(parts, blocks, strict=True)]


def _hidden(query: Tensor, key: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """``tanh(q + k)`` of ``query [b, q, A]`` and ``key [b, s, A]``, ``[b', q', s, A]`` at a time, and of which rows."""
    sequences, queries, size = query.shape
    some = max(1, min(queries, IN_CACHE // (key.shape[1] * size)))
    part = max(1, min(sequences, IN_CACHE // (some * key.shape[1] * size))) if some == queries else 1
    for first in range(0, sequences, part):
        for begin in range(0, queries, some):
            rows, own = slice(first, first + part), slice(begin, begin + some)
            yield rows, own, (query[rows, own, None] + key[rows, None]).tanh_()


def _additive_backward(
    by_scores: Tensor,
    query: Tensor,
    key: Tensor,
    vector: Tensor,
    by_query: Tensor,
    by_key: Tensor,
    by_vector: Tensor,
) -> None:
    """Gradients of one block's scores ``[b, q, s]``: the queries' is written, the others' are added to."""
    for rows, own, hidden in _hidden(query, key):
        above = by_scores[rows, own]
        by_vector += above.reshape(-1) @ hidden.flatten(0, 2)
        hidden.square_().mul_(above[..., None])  # by q + k it is u · (1 - tanh²): of the sum only tanh² is large
        by_query[rows, own] = vector * (above.sum(2)[..., None] - hidden.sum(2))
        by_key[rows] += vector * (above.sum(1)[..., None] - hidden.sum(1))
