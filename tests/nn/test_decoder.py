"""The decoder: the whole equals its steps and a plain loop, dropouts do what they say, and it learns to turn around."""

import pytest
import torch
from torch import nn

from throughtime.nn.decoder import Decoder
from throughtime.nn.encoder import SymbolEncoder
from throughtime.nn.softmax import linear_cross_entropy
from throughtime.ragged import Ragged

CELLS = ("elman", "lstm", "gru")
TARGETS = [[2, 7, 3, 11, 5, 6, 7], [2, 3], [9, 4, 8, 8], [2]]
SOURCES = (3, 1, 5, 3)

cells = pytest.mark.parametrize("cell", CELLS)
feeding = pytest.mark.parametrize("input_feeding", [False, True], ids=["after", "feeding"])


def drawn(cell="lstm", *, layers=2, dtype=torch.float64, attention="general", **options):
    torch.manual_seed(3)
    decoder = Decoder(
        12, memory_size=4, cell=cell, embedding_size=6, hidden_size=5, num_layers=layers, attention=attention, **options
    ).to(dtype)
    nn.init.normal_(decoder.bridge.bias)
    sources = Ragged.from_lengths(torch.randn(sum(SOURCES), 4, dtype=dtype), SOURCES)
    return decoder, sources, decoder.start(torch.randn(len(SOURCES), 4, dtype=dtype))


def taken(state, rows):
    return tuple(part.index_select(1, torch.as_tensor(rows)) for part in state)


@cells
@feeding
@pytest.mark.parametrize("tied", [False, True])
def test_steps_and_chunks_equal_the_whole_from_any_state(cell, input_feeding, tied):
    decoder, sources, state = drawn(cell, input_feeding=input_feeding, tied=tied, attention="additive")
    memory = decoder.remember(sources)
    state = decoder(Ragged.from_list([[5, 5], [1], [4, 3, 2], [1]]), memory, state).state
    assert all(part.abs().min() > 0 for part in state)
    whole = decoder(Ragged.from_list(TARGETS), memory, state)
    for row, target in enumerate(TARGETS):
        own = taken(state, [row])
        for place, symbol in enumerate(target):
            scores, own = decoder.step(torch.tensor([symbol]), memory, own, torch.tensor([row]))
            torch.testing.assert_close(scores[0], decoder.head(whole.outputs[row][place : place + 1])[0])
        for part, end in zip(own, whole.state, strict=True):
            torch.testing.assert_close(part[:, 0], end[:, row])
    first = decoder(Ragged.from_list([target[:2] for target in TARGETS]), memory, state)
    tails = [torch.tensor(target[2:], dtype=torch.int64) for target in TARGETS]
    rest = decoder(Ragged.from_list(tails), memory, first.state)
    joined = [torch.cat(parts) for parts in zip(first.outputs, rest.outputs, strict=True)]
    torch.testing.assert_close(torch.cat(joined), whole.outputs.values)
    for part, end in zip(rest.state, whole.state, strict=True):
        torch.testing.assert_close(part, end)


@cells
@feeding
def test_outputs_and_gradients_are_those_of_a_plain_loop(cell, input_feeding):
    decoder, sources, state = drawn(cell, input_feeding=input_feeding)
    state = tuple(part.detach() for part in state)
    targets = Ragged.from_list(TARGETS)
    found = decoder(targets, decoder.remember(sources, targets.lengths), state)
    outputs, weights = plain(decoder, sources, state, input_feeding)
    torch.testing.assert_close(found.outputs.values, torch.cat(outputs))
    assert [len(own) for own in found.weights] == [len(own) for own in weights]
    torch.testing.assert_close(found.weights.values, torch.cat(weights))
    learnt = {name: own for name, own in decoder.named_parameters() if not name.startswith(("bridge", "network.head"))}
    towards = torch.randn_like(found.outputs.values)
    got, wanted = (torch.autograd.grad(out, learnt.values(), towards) for out in (found[0].values, torch.cat(outputs)))
    for name, left, right in zip(learnt, got, wanted, strict=True):
        torch.testing.assert_close(left, right, msg=lambda text, name=name: f"{name}: {text}")


def plain(decoder, sources, state, input_feeding):
    """Sequence by sequence and step by step, with torch's own cells."""
    kinds = {"elman": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
    steps = []
    for layer in decoder.network.recurrences:
        name = layer.cell.partition("_")[0]
        step = kinds[name](layer.input_size, layer.hidden_size, dtype=torch.float64)
        weights = {own: getattr(layer, f"{own}_l0") for own in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        steps.append((lambda x, s, step=step, weights=weights: torch.func.functional_call(step, weights, (x, s)), name))
    outputs, looked = [], []
    for row, target in enumerate(TARGETS):
        parts = [part[0, row] for part in state]
        fed = parts.pop() if input_feeding else None
        for symbol in target:
            x = decoder.network.embedding.weight[symbol]
            x = torch.cat([x, fed]) if input_feeding else x
            after = []
            for step, name in steps:
                own = tuple(parts.pop(0) for _ in range(2)) if name == "lstm" else parts.pop(0)
                own = step(x, own)
                after += own if name == "lstm" else [own]
                x = own[0] if name == "lstm" else own
            parts = after
            source = sources[row]
            weights = (source @ decoder.attention.key.weight.T @ x).softmax(0)
            fed = (decoder.combine.weight @ torch.cat([weights @ source, x])).tanh()
            outputs.append(fed[None])
            looked.append(weights)
    return outputs, looked


@feeding
def test_several_sequences_may_look_at_one_source(input_feeding):
    decoder, sources, state = drawn(input_feeding=input_feeding)
    memory, rows = decoder.remember(sources), torch.tensor([2, 0, 2, 2])
    together, _ = decoder.step(torch.tensor([3, 1, 3, 4]), memory, taken(state, rows), rows)
    for row, symbol, scores in zip(rows.tolist(), [3, 1, 3, 4], together, strict=True):
        alone, _ = decoder.step(torch.tensor([symbol]), memory, taken(state, [row]), torch.tensor([row]))
        torch.testing.assert_close(alone[0], scores)


@feeding
@pytest.mark.parametrize(
    "option", ["embedding_dropout", "input_dropout", "hidden_dropout", "output_dropout", "recurrent_dropout"]
)
def test_each_dropout_changes_training_alone(option, input_feeding):
    decoder, sources, state = drawn(input_feeding=input_feeding, **{option: 0.5})
    targets, memory = Ragged.from_list(TARGETS), decoder.remember(sources)

    def outputs():
        return decoder(targets, memory, state).outputs.values

    torch.manual_seed(1)
    trained, plainly = outputs(), decoder.eval() and outputs()
    assert not torch.allclose(trained, plainly)
    assert torch.equal(outputs(), plainly)


@feeding
def test_the_outputs_mask_is_the_same_at_all_steps_of_a_sequence(input_feeding):
    decoder, sources, state = drawn(input_feeding=input_feeding, output_dropout=0.5)
    found = decoder(Ragged.from_list(TARGETS), decoder.remember(sources), state)
    kept = [own != 0 for own in found.outputs]
    assert all((own == own[0]).all() for own in kept)
    assert len({tuple(own[0].tolist()) for own in kept}) > 1


@pytest.mark.parametrize(("attention", "input_feeding"), [("additive", False), ("general", True)])
def test_it_learns_to_turn_a_word_around(attention, input_feeding):
    torch.manual_seed(0)
    encoder = SymbolEncoder(9, embedding_size=16, cell="gru", hidden_size=16, bidirectional=True)
    decoder = Decoder(
        9,
        memory_size=32,
        cell="gru",
        embedding_size=16,
        hidden_size=32,
        attention=attention,
        input_feeding=input_feeding,
    )
    both = nn.ModuleList([encoder, decoder])
    optimizer = torch.optim.Adam(both.parameters(), lr=0.02)
    for _ in range(60):
        words = [torch.randint(3, 9, (int(length),)) for length in torch.randint(1, 6, (32,))]
        outputs, final, _ = encoder(Ragged.from_list(words))
        told = Ragged.from_list([torch.cat([torch.tensor([0]), word.flip(0)]) for word in words])
        wanted = torch.cat([torch.cat([word.flip(0), torch.tensor([1])]) for word in words])
        decoded = decoder(told, decoder.remember(outputs, told.lengths), decoder.start(final))
        loss = linear_cross_entropy(decoded.outputs.values, decoder.head.weight, decoder.head.bias, wanted).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.7
