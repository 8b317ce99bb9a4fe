"""The gradient k steps back: exact, on the sequences that are long enough, in each direction's own order."""

from __future__ import annotations

import json
from statistics import fmean

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.inspect.test_report import Page
from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.words import Words
from throughtime.inspect.reach import Layer, Reach, measure
from throughtime.inspect.report.fading import fading
from throughtime.ragged import Ragged
from throughtime.tasks import Classes, Classifier, ClassifierConfig, Labeler, LabelerConfig, Tags

CELLS = ("elman", "gru", "lstm")
TEXTS = [[2, 7, 9, 5, 3], [2, 8, 3], [2, 11, 6, 6, 4, 3]]
TARGETS = torch.tensor([0, 1, 1])


def make_task(cell: str = "gru", **options: object) -> Classifier:
    torch.manual_seed(0)
    plain = {"hidden_size": 6, "embedding_size": 4, "bidirectional": False, "pooling": "last", "label_smoothing": 0.0}
    task = Classifier(ClassifierConfig(cell=cell, **{**plain, **options}), 12, Classes(["ham", "spam"]))
    for parameter in task.encoder.recurrent.parameters():
        nn.init.normal_(parameter, std=0.5)  # the usual start is too tame to tell a wrong factor from a right one
    return task


def measured(task: Classifier, texts: list[list[int]] = TEXTS, targets: torch.Tensor = TARGETS) -> Reach:
    return measure(task, Ragged.from_list(texts), targets)


@pytest.mark.parametrize("cell", CELLS)
def test_is_the_gradient_of_a_loop_written_by_hand(cell):
    """Torch's own cells, and autograd with respect to what is handed from one step to the next."""
    task = make_task(cell)
    kind = {"elman": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}[cell]
    single = kind(4, 6).double()
    weights = task.encoder.recurrent.state_dict()
    single.load_state_dict({name.removesuffix("_l0"): weight.double() for name, weight in weights.items()})
    table, head = task.encoder.embedding.weight.double(), task.head.weight.double()
    state = (torch.zeros(1, 6, dtype=torch.float64),) * (2 if cell == "lstm" else 1)
    states = []
    for symbol in TEXTS[0]:
        after = single(table[symbol][None], state if cell == "lstm" else state[0])
        # Copies: what is handed on is one thing, and what h was made of another.
        state = tuple(part.clone() for part in (after if cell == "lstm" else (after,)))
        states.append(state)
    loss = F.cross_entropy(state[0] @ head.T, TARGETS[:1])
    parts = [part for state in reversed(states) for part in state]
    gradients = torch.autograd.grad(loss, parts, materialize_grads=True)
    joined = torch.cat(gradients).view(len(states), -1)
    found = measured(task, TEXTS[:1], TARGETS[:1]).layers[0].norms
    assert found == pytest.approx(joined.norm(dim=1).tolist(), rel=1e-9)


@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
@pytest.mark.parametrize("cell", CELLS)
def test_is_the_slope_that_finite_differences_find(cell, pooling):
    """The state handed from the first part of a text to the rest is shaken, one value after another."""
    task = make_task(cell, pooling=pooling).double().eval()
    text, back = TEXTS[2], 2
    first, rest = (Ragged.from_list([part]) for part in (text[: len(text) - back], text[len(text) - back :]))

    @torch.no_grad()
    def loss(parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
        after, final, _ = task.encoder(rest, parts if cell == "lstm" else parts[0])
        before, _, _ = task.encoder(first)
        shaken = torch.cat([before.values[:-1], parts[0][0]])  # the last output of the first part is its h
        outputs = Ragged.from_lengths(torch.cat([shaken, after.values]), [len(text)])
        return F.cross_entropy(task.head(task.pooling(outputs, final)), TARGETS[2:])

    _, _, state = task.encoder(first)
    state = tuple(part.detach() for part in (state if cell == "lstm" else (state,)))
    slopes = []
    for number, part in enumerate(state):
        for unit in range(part.numel()):
            step = torch.zeros_like(part).view(-1)
            step[unit] = 1e-5
            up, down = (
                loss(tuple(p + sign * step.view_as(p) * (n == number) for n, p in enumerate(state))) for sign in (1, -1)
            )
            slopes.append((up - down) / 2e-5)
    found = measured(task, [text], TARGETS[2:]).layers[0].norms[back]
    assert found == pytest.approx(float(torch.stack(slopes).norm()), rel=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_backward_direction_counts_in_its_own_order(cell):
    """Texts turned round, and the directions' weights exchanged, exchange what is found."""
    task, turned = make_task(cell, bidirectional=True), make_task(cell, bidirectional=True)
    weights = task.encoder.recurrent.state_dict()
    turned.encoder.recurrent.load_state_dict(
        {name: weights[name.removesuffix("_reverse") if "_reverse" in name else f"{name}_reverse"] for name in weights}
    )
    turned.head.weight.data = task.head.weight.data.roll(6, dims=1)
    forwards, backwards = measured(task).layers
    other = measured(turned, [text[::-1] for text in TEXTS]).layers
    assert not forwards.backwards
    assert backwards.backwards
    assert forwards.norms == pytest.approx(other[1].norms, rel=1e-9)
    assert backwards.norms == pytest.approx(other[0].norms, rel=1e-9)
    assert forwards.norms != pytest.approx(backwards.norms, rel=1e-2)


def test_every_direction_of_every_layer_is_measured():
    layers = measured(make_task("lstm", bidirectional=True, num_layers=2)).layers
    assert [layer.name for layer in layers] == ["layer 1", "layer 1, backwards", "layer 2", "layer 2, backwards"]
    assert all(norm > 0 for layer in layers for norm in layer.norms)


def test_is_the_mean_over_the_sequences_that_are_long_enough():
    task = make_task()
    alone = [measured(task, [text], TARGETS[row : row + 1]).layers[0].norms for row, text in enumerate(TEXTS)]
    together = measured(task).layers[0].norms
    expected = [fmean(norms[k] for norms in alone if len(norms) > k) for k in range(6)]
    assert together == pytest.approx(expected, rel=1e-9)


def test_goes_as_far_as_a_quarter_of_the_sequences():
    texts = [[2, 3]] * 4 + [[2, 5, 6, 3]]
    assert len(measured(make_task(), texts, torch.tensor([0] * 5)).layers[0].norms) == 2
    assert len(measured(make_task(), texts[1:], torch.tensor([0] * 4)).layers[0].norms) == 4


def test_takes_some_of_many_and_the_end_of_the_long():
    inputs = Ragged.from_list([[2, *[5] * 50, 3]] * 100 + [[]])
    reach = measure(make_task(), inputs, torch.zeros(101, dtype=torch.int64), sequences=7, steps=20)
    assert (reach.sequences, reach.median_length, len(reach.layers[0].norms)) == (7, 20, 20)


@pytest.mark.parametrize(("cell", "gate", "rows"), [("lstm", "f", slice(6, 12)), ("gru", "z", slice(6, 12))])
def test_counts_the_gates_that_are_wholly_open_or_shut(cell, gate, rows):
    task = make_task(cell)
    for bias, share in ((100.0, 1.0), (-100.0, 1.0), (0.0, 0.0)):
        with torch.no_grad():
            for name, parameter in task.encoder.recurrent.named_parameters():
                parameter.mul_(0.01) if name.startswith("weight") else parameter.zero_()
            task.encoder.recurrent.bias_ih_l0[rows] = bias
        assert measured(task).layers[0].saturated[gate] == share


def test_counts_the_units_that_are_at_their_bounds():
    task = make_task("elman")
    with torch.no_grad():
        task.encoder.recurrent.bias_ih_l0[:2] = 100.0
        task.encoder.recurrent.bias_ih_l0[2:] = 0.0
        task.encoder.recurrent.weight_hh_l0.zero_()
        task.encoder.recurrent.weight_ih_l0.zero_()
        task.encoder.recurrent.bias_hh_l0.zero_()
    assert measured(task).layers[0].saturated == {"h": pytest.approx(1 / 3)}


# ---- a loss of every step ----

SENTENCES = [["the", "dogs", "of", "the", "man", "bark"], ["a", "dog", "barks"], ["bark"]]
TAGGED = [["D", "N", "P", "D", "N", "V"], ["D", "N", "V"], ["V"]]


def make_labeler(cell: str = "gru", sentences: list[list[str]] = SENTENCES, **options: object) -> tuple[Labeler, Words]:
    torch.manual_seed(0)
    lexicon = Lexicon.learn(SENTENCES, LexiconConfig())
    plain = {"hidden_size": 5, "embedding_size": 4, "character_size": 3, "character_hidden": 2, "cell": cell}
    task = Labeler(LabelerConfig(**{**plain, **options}), lexicon, Tags(["D", "N", "P", "V"]))
    for parameter in task.recurrent.parameters():
        nn.init.normal_(parameter, std=0.5)
    return task, lexicon.encode(sentences)


def tags_of(sentences: list[list[str]]) -> Ragged:
    return Ragged.from_list([["DNPV".index(tag) for tag in tags] for tags in sentences])


@pytest.mark.parametrize("decoder", ["softmax", "crf"])
@pytest.mark.parametrize("cell", CELLS)
def test_of_words_it_is_the_slope_of_the_last_ones_loss(cell, decoder):
    """The state handed from the first part of a sentence to the rest is shaken, one value after another."""
    sentence, back = SENTENCES[0], 3
    task, words = make_labeler(cell, [sentence], bidirectional=False, decoder=decoder)
    found = measure(task, words, tags_of(TAGGED[:1])).layers[0].norms[back]
    task = task.double().eval()
    first, rest = (words.forms.symbols.new_tensor(part) for part in (range(3), range(3, 6)))
    vectors = task.words(words.forms.symbols.long(), words.forms.characters)
    read = vectors[words.values.long()].detach()

    @torch.no_grad()
    def loss(parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
        outputs, _ = task.recurrent(read[rest][:, None], parts if cell == "lstm" else parts[0])
        return F.cross_entropy(task.head(outputs[-1]), torch.tensor([3]))

    _, state = task.recurrent(read[first][:, None])
    state = tuple(part.detach() for part in (state if cell == "lstm" else (state,)))
    slopes = []
    for number, part in enumerate(state):
        for unit in range(part.numel()):
            step = torch.zeros_like(part).view(-1)
            step[unit] = 1e-5
            up, down = (
                loss(tuple(p + sign * step.view_as(p) * (n == number) for n, p in enumerate(state))) for sign in (1, -1)
            )
            slopes.append((up - down) / 2e-5)
    assert found == pytest.approx(float(torch.stack(slopes).norm()), rel=1e-6)


def test_of_words_a_backward_direction_is_measured_from_the_first_one():
    """Sentences turned round, and the directions' weights exchanged, exchange what is found."""
    (task, words), (turned, back) = make_labeler(), make_labeler(sentences=[sentence[::-1] for sentence in SENTENCES])
    weights = task.recurrent.state_dict()
    turned.recurrent.load_state_dict(
        {name: weights[name.removesuffix("_reverse") if "_reverse" in name else f"{name}_reverse"] for name in weights}
    )
    turned.head.weight.data = task.head.weight.data.roll(5, dims=1)
    forwards, backwards = measure(task, words, tags_of(TAGGED)).layers
    other = measure(turned, back, tags_of([tags[::-1] for tags in TAGGED])).layers
    assert [forwards.name, backwards.name] == ["layer 1", "layer 1, backwards"]  # and none of the letters
    assert forwards.norms == pytest.approx(other[1].norms, rel=1e-9)
    assert backwards.norms == pytest.approx(other[0].norms, rel=1e-9)
    assert forwards.norms != pytest.approx(backwards.norms, rel=1e-2)


def test_of_words_it_speaks_of_sentences():
    task, words = make_labeler()
    reach = measure(task, words, tags_of(TAGGED), steps=4, step="word", text="sentence")
    assert (reach.per_step, reach.sequences, reach.median_length, len(reach.layers[0].norms)) == (True, 3, 3, 4)
    assert "words back and" in reach.sentence()
    assert "sentences" in reach.sentence()
    assert Reach.from_json(json.loads(json.dumps(reach.to_json()))) == reach


def test_leaves_the_task_as_it_was():
    task = make_task().train()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    with torch.no_grad():
        measured(task)
    assert task.training
    assert all(parameter.grad is None for parameter in task.parameters())
    for name, value in task.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, before[name])
    assert task.encoder.recurrent.op is make_task().encoder.recurrent.op


def test_says_what_is_missing():
    with pytest.raises(ValueError, match="expected at least one sequence with steps, found none"):
        measured(make_task(), [[]], torch.tensor([0]))


def test_is_read_as_it_was_written():
    reach = measured(make_task("lstm", bidirectional=True))
    assert Reach.from_json(json.loads(json.dumps(reach.to_json()))) == reach


# ---- in words and pictures ----


def reach_of(*factors: float, length: int = 40, median: int = 20) -> Reach:
    layers = tuple(
        Layer(1, number == 1, tuple(factor**k for k in range(length)), {"r": 0.25, "z": 0.5})
        for number, factor in enumerate(factors)
    )
    return Reach(layers, sequences=9, median_length=median)


def test_the_sentence_says_how_far_and_what_that_means():
    assert "reaches 6 steps back" in reach_of(0.5).sentence()
    assert "learns next to nothing" in reach_of(0.5).sentence()
    assert "reaches 39 steps back or more" in reach_of(0.99).sentence()
    assert "over the whole of them" in reach_of(0.99).sentence()
    assert "6 steps back and 43 steps ahead" in reach_of(0.5, 0.9, length=60).sentence()
    assert "reaches 0 steps back" in reach_of(0.0).sentence()


def test_the_section_shows_the_start_and_the_end_of_each_direction():
    content = fading(reach_of(0.5, 0.6), reach_of(0.9, 0.95))
    page = Page(content)
    assert page.count("svg") == 2
    assert reach_of(0.9, 0.95).sentence() in page.text
    assert "before training" in page.text
    assert "Layer 1, backwards" in page.text
    assert "25.0%" in page.text
    assert content == fading(reach_of(0.5, 0.6), reach_of(0.9, 0.95))


def test_a_gradient_that_is_gone_can_be_drawn():
    assert Page(fading(reach_of(0.0), reach_of(1e-30))).count("svg") == 1
