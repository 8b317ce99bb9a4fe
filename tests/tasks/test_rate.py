"""The rater: what numbers it takes for what, its two losses, its answers."""

import math

import numpy as np
import pytest
import torch

from throughtime.data.batches import Batch
from throughtime.data.columns import Example
from throughtime.errors import DataError, UsageError
from throughtime.ragged import Ragged
from throughtime.tasks import Numbers, Rater, RaterConfig

INPUTS = Ragged.from_list([[2, 7, 8, 3], [2, 3], [2, 9, 9, 9, 5, 3]])


def examples(*labels):
    return [Example("a text", label, "marks.csv", line) for line, label in enumerate(labels, 2)]


def make(*labels, **settings):
    torch.manual_seed(0)
    config = RaterConfig(**{"hidden_size": 6, "embedding_size": 5, **settings})
    return Rater(config, 12, Numbers.learn(examples(*labels), config)).eval()


def batch(*targets):
    return Batch(INPUTS, torch.tensor([float(target) for target in targets]), (0, 1, 2))


@pytest.mark.parametrize(
    ("labels", "grades", "ordinal"),
    [
        (["3", "1", "5.0", "1"], (1.0, 3.0, 5.0), True),
        (["3", "1.5"], (), False),
        ([str(n) for n in range(13)], (), False),
        (["-1", "0", "1"], (-1.0, 0.0, 1.0), True),
    ],
)
def test_a_few_whole_numbers_are_grades(labels, grades, ordinal):
    found = Numbers.learn(examples(*labels), RaterConfig())
    assert (found.grades, found.ordinal) == (grades, ordinal)
    assert Numbers.from_json(found.to_json()) == found


def test_what_is_no_number_is_named_with_its_line():
    with pytest.raises(DataError, match=r"expected a number as label, found 'good'") as error:
        Numbers.learn(examples("1", "good"), RaterConfig())
    assert "marks.csv" in str(error.value)
    assert "3" in str(error.value)
    for label in ("nan", "inf", None):
        with pytest.raises(DataError):
            Numbers.learn(examples("1", label), RaterConfig())
    with pytest.raises(DataError, match="at least two different numbers"):
        Numbers.learn(examples("1", "1"), RaterConfig())
    with pytest.raises(UsageError, match="--loss squared takes any"):
        Numbers.learn(examples("1", "1.5"), RaterConfig(loss="ordinal"))


def test_the_ordinal_loss_is_the_likelihood_of_its_own_probabilities():
    model = make("1", "2", "2", "4")
    with torch.no_grad():
        model.head.weight.mul_(5)
    answers = model.answers(INPUTS)
    chances = answers[:, 1:].float()
    torch.testing.assert_close(chances.sum(1), torch.ones(3))
    assert bool((chances > 0).all())
    expected = -torch.stack([chances[0, 2], chances[1, 0], chances[2, 1]]).log().mean()
    torch.testing.assert_close(model.loss(batch(4, 1, 2))[0], expected)


def test_an_untrained_text_has_the_training_datas_shares():
    model = make("1", "2", "2", "4")
    with torch.no_grad():
        model.head.weight.zero_()
    torch.testing.assert_close(model.answers(INPUTS)[0, 1:].float(), torch.tensor([0.25, 0.5, 0.25]))
    torch.testing.assert_close(model.answers(INPUTS)[0, 0].float(), torch.tensor(2.0))  # the weights are float32


def test_the_ordinal_loss_stays_finite_far_out():
    model = make("1", "2", "3")
    with torch.no_grad():
        model.head.bias.fill_(200.0)
    loss, _ = model.loss(batch(1, 2, 3))
    loss.backward()
    assert math.isfinite(loss.item())
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_the_squared_loss_is_in_units_of_the_deviation():
    model = make("10", "20", "20", "30.5", loss="auto")
    assert not model.targets.ordinal
    told = model.answers(INPUTS)[:, 0].float()
    expected = ((told - torch.tensor([10.0, 20.0, 30.5])) / model.targets.deviation).square().mean()
    torch.testing.assert_close(model.loss(batch(10, 20, 30.5))[0], expected)


@pytest.mark.parametrize("labels", [("1", "2", "3"), ("1.5", "2", "3")])
def test_metrics(labels):
    model = make(*labels)
    told = model.answers(INPUTS)[:, 0].numpy()
    truth = np.array([float(label) for label in labels])
    metrics = model.evaluate([batch(*labels)])
    assert metrics["mae"] == pytest.approx(np.abs(told - truth).mean(), abs=1e-6)
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.square(told - truth).mean()), abs=1e-6)
    assert -1 <= metrics["spearman"] <= 1
    assert metrics["loss"] == pytest.approx(model.loss(batch(*labels))[0].item())
    assert (metrics["accuracy"] is None) == (labels[0] == "1.5")
    assert ("confusion" in metrics) == (labels[0] == "1")


def test_it_learns_to_count():
    """How many of one symbol a text holds, from 0 to 4: a grade that the order of the classes helps with."""
    generator = torch.Generator().manual_seed(1)
    texts = [torch.randint(4, 8, (9,), generator=generator) for _ in range(96)]
    counts = [int((text == 5).sum().clamp(max=4)) for text in texts]
    model = make(*map(str, counts), dropout=0.0, hidden_size=16, pooling="last").train()
    whole = Batch(Ragged.from_list(texts), torch.tensor(counts, dtype=torch.float32), tuple(range(96)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        model.loss(whole)[0].backward()
        optimizer.step()
    metrics = model.evaluate([whole])
    assert metrics["mae"] < 0.2
    assert metrics["accuracy"] > 0.9


@pytest.mark.parametrize("labels", [("1", "2", "3"), ("1.5", "2", "3")])
def test_padding_has_no_influence_at_all(labels):
    model = make(*labels)
    padded = INPUTS.to_padded(value=0, length=106)
    assert torch.equal(model.answers(Ragged.from_padded(padded, INPUTS.lengths)), model.answers(INPUTS))


DAYS = ("20240101", "20240102", "20240103")  # float32 holds no odd number of this size
SECONDS = [str(1_700_000_000 + second) for second in range(60)]


def test_large_numbers_stay_apart():
    numbers = Numbers.learn(examples(*SECONDS), RaterConfig())
    assert [str(int(value)) for value in numbers.encode(examples(*SECONDS))] == SECONDS
    model = make(*SECONDS)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.fill_(0.5)
    expected = 1_700_000_029.5 + numbers.deviation / 2
    answer = model.answers(INPUTS)[0].numpy()
    assert answer[0] == pytest.approx(expected, abs=1e-6, rel=0)
    assert numbers.cells(answer) == [pytest.approx(expected, abs=1e-4, rel=0)]
    found = model.evaluate([Batch(INPUTS, numbers.encode(examples(*SECONDS[:3])), (0, 1, 2))])
    assert found["mae"] == pytest.approx(expected - 1_700_000_001, abs=1e-6, rel=0)
    assert found["loss"] == pytest.approx(
        np.mean([((expected - 1_700_000_000 - n) / numbers.deviation) ** 2 for n in range(3)])
    )


def test_large_grades_stay_apart():
    model = make(*DAYS)
    assert model.targets.columns() == ["predicted", "p(20240101)", "p(20240102)", "p(20240103)"]
    assert model.targets.title() == "Text rater: 20240101 to 20240103"
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.fill_(-20.0)  # surely the first
    answer = model.answers(INPUTS)[0].numpy()
    assert answer[0] == pytest.approx(20240101, abs=1e-6, rel=0)
    assert model.targets.cells(answer)[0] == pytest.approx(20240101, abs=1e-5, rel=0)
    found = model.evaluate([Batch(INPUTS, model.targets.encode(examples(*DAYS)), (0, 1, 2))])
    assert found["confusion"] == [[1, 0, 0], [1, 0, 0], [1, 0, 0]]
    assert found["mae"] == pytest.approx(1)
    assert found["accuracy"] == pytest.approx(1 / 3)


def test_strata_keep_grades_and_tenths():
    assert Numbers.strata(examples(*DAYS)) == list(DAYS)
    assert Numbers.strata(examples("1", "2", "1.0")) == ["1", "2", "1"]
    tenths = Numbers.strata(examples(*(str(n / 10) for n in range(100))))
    assert sorted(set(tenths)) == [str(n) for n in range(10)]
    assert all(tenths.count(tenth) == 10 for tenth in set(tenths))
