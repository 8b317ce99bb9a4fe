"""The classifier: its loss, its options, its invariances."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional as F

from throughtime.data.batches import Batch
from throughtime.metrics import MOST_IN_MATRIX
from throughtime.ragged import Ragged
from throughtime.tasks import Classes, Classifier, ClassifierConfig
from throughtime.tasks.classify import COLDEST, HOTTEST, best_temperature

LABELS = ["a", "b", "c"]
INPUTS = Ragged.from_list([[2, 7, 8, 3], [2, 3], [2, 9, 9, 9, 5, 3]])
TARGETS = torch.tensor([0, 2, 2])


def make(counts=(), symbol_counts=(), **settings):
    torch.manual_seed(0)
    config = ClassifierConfig(
        **{"hidden_size": 6, "embedding_size": 5, "pooling": "max", "label_smoothing": 0.0, **settings}
    )
    return Classifier(config, 12, Classes(LABELS, counts), symbol_counts).eval()


def batch():
    return Batch(INPUTS, TARGETS, (0, 1, 2))


def test_the_loss_is_the_mean_over_sequences_and_the_state_is_handed_through():
    model = make()
    loss, state = model.loss(batch(), "carried")
    apart = [model.loss(Batch(INPUTS.take([n]), TARGETS[n : n + 1], (n,)))[0] for n in range(3)]
    torch.testing.assert_close(loss, torch.stack(apart).mean())
    assert state == "carried"


def test_balanced_weights_and_label_smoothing():
    model = make((10, 5, 5), class_weights="balanced", label_smoothing=0.1)
    weights = torch.tensor([20 / 30, 20 / 15, 20 / 15])
    expected = F.cross_entropy(model(INPUTS), TARGETS, weight=weights, label_smoothing=0.1, reduction="none").mean()
    torch.testing.assert_close(model.loss(batch())[0], expected)
    assert make().class_weights is None


def test_one_hot_inputs_are_computed_without_building_them():
    """The input weights' columns are gathered: the same product as with an identity embedding."""
    model = make(one_hot=True)
    assert model.encoder.embedding is None
    vectors = INPUTS.with_values(F.one_hot(INPUTS.values, 12).float())
    outputs, _ = model.encoder.recurrent(vectors)
    torch.testing.assert_close(model.encoder(INPUTS)[0].values, outputs.values)


def test_padding_has_no_influence_at_all():
    model = make(bidirectional=True, num_layers=2)
    plain = model.answers(INPUTS)
    for pads in (0, 100):
        padded = INPUTS.to_padded(value=0, length=6 + pads)
        assert torch.equal(model.answers(Ragged.from_padded(padded, INPUTS.lengths)), plain)


def test_evaluation_leaves_training_as_it_was_and_uses_no_dropout():
    model = make(symbol_counts=[1] * 12, dropout=0.9).train()
    one, other = model.answers(INPUTS), model.answers(INPUTS)
    assert torch.equal(one, other)
    assert model.training
    assert not torch.equal(model(INPUTS), model(INPUTS))


def test_metrics():
    model = make()
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    metrics = model.evaluate([batch()])
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["f1_by_class"] == pytest.approx({"a": 0.0, "b": 0.0, "c": 0.8})
    assert metrics["macro_f1"] == pytest.approx(0.4)  # over the classes that occur, in truth or prediction
    assert metrics["confusion"] == [[0, 0, 1], [0, 0, 0], [0, 0, 2]]
    assert metrics["loss"] == pytest.approx(model.loss(batch())[0].item(), rel=1e-6)
    assert metrics["examples"] == 3
    confidence = model.answers(INPUTS)[0, 2].item()
    assert metrics["ece"] == pytest.approx(abs(2 / 3 - confidence))  # all three are equally sure


@pytest.mark.parametrize("classes", [MOST_IN_MATRIX, MOST_IN_MATRIX + 1])
def test_many_classes_have_no_matrix(classes):
    model = Classifier(ClassifierConfig(hidden_size=2), 12, Classes([str(number) for number in range(classes)]))
    metrics = model.judge(torch.randn(9, classes), torch.arange(9))
    assert ("confusion" in metrics) == (classes <= MOST_IN_MATRIX)
    assert len(metrics["f1_by_class"]) == classes


def test_all_rows_are_examined_in_their_order():
    model = make()
    batches = [Batch(INPUTS.take([2, 0]), TARGETS[[2, 0]], (2, 0)), Batch(INPUTS.take([1]), TARGETS[[1]], (1,))]
    outputs, targets = model.train().examine(batches)
    assert model.training
    assert torch.equal(targets, TARGETS)
    with torch.no_grad():
        assert torch.equal(outputs, model.eval()(INPUTS))


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_steps_with_carried_state_equal_the_whole(pooling):
    model = make(bidirectional=False, num_layers=2, pooling=pooling, cell="gru")
    whole = model(INPUTS)
    for row, symbols in enumerate(INPUTS):
        state = None
        for symbol in symbols:
            logits, state = model.step(symbol[None], state)
        torch.testing.assert_close(logits[0], whole[row])


def test_a_batch_without_targets_has_no_loss():
    with pytest.raises(ValueError, match="a batch with targets, found one without"):
        make().loss(Batch(INPUTS, None, (0, 1, 2)))


# ---- the temperature ----


def noisy(sharpness, rows=400, seed=0):
    """Outputs whose own probabilities the targets are drawn by, and then made sharper than they should be."""
    generator = torch.Generator().manual_seed(seed)
    outputs = 2 * torch.randn(rows, 3, generator=generator)
    return outputs * sharpness, outputs.softmax(1).multinomial(1, generator=generator)[:, 0]


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_what_was_too_sharp_or_too_dull(sharpness):
    outputs, targets = noisy(sharpness)
    model = make(calibrate=True)
    before = model.judge(outputs, targets)
    assert model.calibrate(outputs, targets) == pytest.approx(sharpness, rel=0.15)
    after = model.judge(outputs, targets)
    assert after["loss"] <= before["loss"]
    if sharpness != 1:
        assert after["loss"] < before["loss"]
        assert after["ece"] < before["ece"]
    for kept in ("accuracy", "macro_f1", "f1_by_class", "confusion", "examples"):
        assert after[kept] == before[kept]


def test_the_temperature_is_where_the_likelihood_is_flat():
    outputs, targets = noisy(4.0)
    scale = torch.tensor(1 / best_temperature(outputs, targets), requires_grad=True, dtype=torch.float64)
    F.cross_entropy(outputs.double() * scale, targets).backward()
    assert abs(scale.grad.item()) < 1e-3


@pytest.mark.parametrize(("right", "limit"), [(True, COLDEST), (False, HOTTEST)])
def test_the_temperature_keeps_within_bounds_where_nothing_else_ends_it(right, limit):
    outputs = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    targets = torch.tensor([0, 1]) if right else torch.tensor([1, 0])
    assert best_temperature(outputs, targets) == pytest.approx(limit, rel=0.01)


@given(arrays(np.int16, (20, 3)), st.floats(COLDEST, HOTTEST))
def test_no_temperature_changes_an_answer(table, temperature):
    outputs = torch.from_numpy(table.astype(np.float32)) / 4096
    model = make(calibrate=True)
    plain = model.read(outputs)
    model.temperature.fill_(temperature)
    assert torch.equal(model.read(outputs).argmax(1), plain.argmax(1))
    assert torch.equal(plain, outputs.softmax(1))


def test_steps_use_the_temperature_and_training_does_not():
    model, plain = make(calibrate=True, bidirectional=False), make(bidirectional=False)
    model.temperature.fill_(3.0)
    assert torch.equal(model.loss(batch())[0], plain.loss(batch())[0])
    torch.testing.assert_close(model.answers(INPUTS), (plain(INPUTS) / 3).softmax(1).detach())


def test_without_the_setting_there_is_no_temperature():
    assert "temperature" not in make().state_dict()
    assert "temperature" in make(calibrate=True).state_dict()
    with pytest.raises(ValueError, match="calibrate=True"):
        make().calibrate(*noisy(1.0))
