"""The encoder of symbols: fewer symbols than steps are multiplied once each, and nothing else changes."""

import pytest
import torch
from torch import nn

from throughtime.nn.encoder import SymbolEncoder
from throughtime.ragged import Ragged


def encoder(**options: object) -> SymbolEncoder:
    torch.manual_seed(0)
    return SymbolEncoder(12, embedding_size=7, cell="gru", hidden_size=9, bidirectional=True, **options)


def symbols(lengths: list[int]) -> Ragged:
    torch.manual_seed(1)
    return Ragged.from_lengths(torch.randint(0, 12, (sum(lengths),)), lengths)


class ByVectors(SymbolEncoder):
    """Every step's vector, however many there are."""

    def _fewer_symbols(self, symbols: Ragged) -> bool:
        return False


@pytest.mark.parametrize("lengths", [[13, 5, 9], [3, 1]])
def test_a_table_of_products_gives_the_same(lengths: list[int]) -> None:
    """To the bit where nothing is learnt; and the same gradients."""
    one, other, data = encoder(), encoder(), symbols(lengths)
    other.__class__ = ByVectors
    with torch.no_grad():
        assert torch.equal(one(data)[0].values, other(data)[0].values)
    for model in (one, other):
        model(data)[0].values.square().sum().backward()
    for (name, mine), theirs in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, msg=lambda text, name=name: f"{name}: {text}")


def test_hidden_features_are_drawn_for_every_sequence() -> None:
    """With embedding dropout a symbol has no one vector in training."""
    model, data = encoder(embedding_dropout=0.5), symbols([20, 20])
    seen = []
    model.recurrent.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].values.dtype))
    model.train()
    model(data)
    model.eval()
    model(data)
    assert seen == [torch.float32, torch.int64]


def test_an_embedding_is_learnt_through_the_table() -> None:
    model, data = encoder(), symbols([20, 20])
    model(data)[0].values.sum().backward()
    assert isinstance(model.embedding, nn.Embedding)
    grad = model.embedding.weight.grad
    assert grad is not None
    assert all(bool(grad[symbol].abs().sum() > 0) for symbol in data.values.unique())
