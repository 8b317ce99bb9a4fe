"""Attention's scores against their formulas, source by source."""

import pytest
import torch

from throughtime.nn.attention import ATTENTIONS, Attention
from throughtime.ragged import Ragged

kinds = pytest.mark.parametrize("kind", ATTENTIONS)


def drawn(kind, query_size=6, memory_size=6):
    torch.manual_seed(0)
    attention = Attention(kind, query_size=query_size, memory_size=memory_size, size=9).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    return attention, Ragged.from_list([torch.randn(n, memory_size, dtype=torch.float64) for n in (3, 1, 4)])


def scores(attention, query, steps):
    if attention.kind == "dot":
        return steps @ query
    if attention.kind == "general":
        return torch.einsum("q,qk,sk->s", query, attention.key.weight, steps)
    inner = attention.query.weight @ query + steps @ attention.key.weight.T + attention.key.bias
    return inner.tanh() @ attention.vector


@kinds
def test_weights_and_contexts_are_those_of_the_formula(kind):
    attention, sources = drawn(kind, memory_size=6 if kind == "dot" else 4)
    queries, rows = torch.randn(5, 6, dtype=torch.float64), torch.tensor([2, 0, 0, 1, 2])
    context, weights = attention(queries, rows, attention.remember(sources))
    for query, row, mean, own in zip(queries, rows, context, weights, strict=True):
        wanted = scores(attention, query, sources[int(row)]).softmax(0)
        torch.testing.assert_close(own, wanted)
        torch.testing.assert_close(mean, wanted @ sources[int(row)])


@kinds
def test_every_parameter_learns(kind):
    attention, sources = drawn(kind)
    context, _ = attention(torch.randn(2, 6, dtype=torch.float64), torch.tensor([0, 2]), attention.remember(sources))
    if kind != "dot":
        context.square().sum().backward()
    assert all(parameter.grad.any() for parameter in attention.parameters())
    assert sum(1 for _ in attention.parameters()) == {"dot": 0, "general": 1, "additive": 4}[kind]


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="expected attention dot, general or additive, found 'loud'"):
        Attention("loud", query_size=2, memory_size=2)
    with pytest.raises(ValueError, match="expected queries of the memory's size 3 for dot, found 2"):
        Attention("dot", query_size=2, memory_size=3)
