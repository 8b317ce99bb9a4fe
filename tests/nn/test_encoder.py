"""The encoder of symbols: fewer symbols than steps are multiplied once each, and nothing else changes."""

import torch

from throughtime.nn.encoder import SymbolEncoder
from throughtime.ops import kernels
from throughtime.ragged import Ragged


def encoder(kind: type[SymbolEncoder] = SymbolEncoder, **options: object) -> SymbolEncoder:
    torch.manual_seed(0)
    return kind(12, embedding_size=7, cell="gru", hidden_size=9, bidirectional=True, **options)


def symbols(lengths: list[int]) -> Ragged:
    torch.manual_seed(1)
    return Ragged.from_lengths(torch.randint(0, 12, (sum(lengths),)), lengths)


class ByVectors(SymbolEncoder):
    """Every step's vector, however many there are."""

    def _fewer_symbols(self, symbols: Ragged) -> bool:
        return False


def seen_by(model: SymbolEncoder, data: Ragged) -> torch.dtype:
    """What the recurrence is given."""
    seen = []
    hook = model.recurrent.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].values.dtype))
    model(data)
    hook.remove()
    return seen[0]


def test_a_table_of_products_gives_the_same() -> None:
    """To the bit where nothing is learnt; and the same gradients."""
    one, other, data = encoder(), encoder(ByVectors), symbols([13, 5, 9])
    assert (seen_by(one, data), seen_by(other, data)) == (torch.int64, torch.float32)
    with torch.no_grad():
        mine, theirs = one(data)[0].values, other(data)[0].values
    if kernels.MISSING:
        torch.testing.assert_close(mine, theirs)
    else:
        assert torch.equal(mine, theirs)
    for model in (one, other):
        model(data)[0].values.square().sum().backward()
    for (name, parameter), twin in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, twin.grad, msg=lambda text, name=name: f"{name}: {text}")


def test_few_steps_take_their_vectors() -> None:
    assert seen_by(encoder(), symbols([13, 5])) == torch.float32


def test_hidden_features_are_drawn_for_every_sequence() -> None:
    """With embedding dropout a symbol has no one vector in training."""
    model, data = encoder(embedding_dropout=0.5), symbols([20, 20])
    assert seen_by(model.train(), data) == torch.float32
    assert seen_by(model.eval(), data) == torch.int64
