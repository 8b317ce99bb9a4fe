"""Attention of a decoder over what an encoder has read, with the scores of Luong et al. and of Bahdanau et al."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from throughtime.nn.linear import Linear
from throughtime.ops.attention import Attended, Memory, attend
from throughtime.ragged import Ragged

__all__ = ["ATTENTIONS", "Attended", "Attention", "Memory"]

ATTENTIONS = ("dot", "general", "additive")


class Attention(nn.Module):
    """Weights the steps of a source for each query, and takes the mean of them.

    The score of a query ``q`` and a step ``m`` is ``q · m`` (``dot``), ``q · W m`` (``general``; both Luong, Pham &
    Manning 2015, section 3.1) or ``u · tanh(W q + U m + b)`` (``additive``; Bahdanau, Cho & Bengio 2015, appendix
    A.1.2).

    Args:
        kind: one of ``ATTENTIONS``.
        query_size: ``Q``.
        memory_size: ``K``; equal to ``Q`` for ``dot``.
        size: ``A`` of additive attention's hidden layer; ``Q`` when none.

    Raises:
        ValueError: for another kind, or sizes that a dot product has not.

    >>> _ = torch.manual_seed(0)
    >>> attention = Attention("general", query_size=4, memory_size=6)
    >>> memory = attention.remember(Ragged.from_list([torch.randn(3, 6), torch.randn(1, 6)]))
    >>> context, weights = attention(torch.randn(5, 4), torch.tensor([0, 0, 1, 1, 1]), memory)
    >>> context.shape, weights.lengths
    (torch.Size([5, 6]), tensor([3, 3, 1, 1, 1]))
    """

    def __init__(self, kind: str, *, query_size: int, memory_size: int, size: int | None = None) -> None:
        super().__init__()
        if kind not in ATTENTIONS:
            raise ValueError(f"expected attention {', '.join(ATTENTIONS[:-1])} or {ATTENTIONS[-1]}, found {kind!r}")
        if kind == "dot" and query_size != memory_size:
            raise ValueError(f"expected queries of the memory's size {memory_size} for dot, found {query_size}")
        self.kind = kind
        self.key: Linear | None = None
        self.query: Linear | None = None
        self.vector: nn.Parameter | None = None
        if kind == "general":
            self.key = Linear(memory_size, query_size, bias=False)
        elif kind == "additive":
            hidden = size or query_size
            self.key, self.query = Linear(memory_size, hidden), Linear(query_size, hidden, bias=False)
            self.vector = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, hidden))[0])
        for map in (self.key, self.query):
            if map is not None:
                nn.init.xavier_uniform_(map.weight)
                if map.bias is not None:
                    nn.init.zeros_(map.bias)

    def remember(self, values: Ragged, queries: Tensor | None = None) -> Memory:
        """What queries will look at: the sources' ``values [M, K]``, their keys made once.

        Args:
            values: ``B`` sources.
            queries: ``[B]`` how many queries each source will get, where that is known: it saves time.
        """
        keys = values if self.key is None else values.with_values(self.key(values.values))
        return Memory.of(keys, values, queries)

    def forward(self, queries: Tensor, rows: Tensor, memory: Memory) -> Attended:
        """Contexts ``[N, K]`` of ``queries [N, Q]``, and for each the weights of its source's steps.

        Args:
            queries: what looks.
            rows: ``[N]`` the source that each query looks at, on the CPU, in any order.
            memory: from :meth:`remember`.
        """
        return attend(queries if self.query is None else self.query(queries), rows, memory, self.vector)
