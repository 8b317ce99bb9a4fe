"""Schedules, update rules, the moving average, timing."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from throughtime.train.averaging import WeightAverage
from throughtime.train.config import TrainConfig
from throughtime.train.optimizers import make_optimizer, schedule_factor


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_schedules_rise_then_fall(schedule):
    config = TrainConfig(schedule=schedule, warmup=0.1)
    factors = [schedule_factor(config, update, 100) for update in range(100)]
    assert factors[:10] == pytest.approx([n / 10 for n in range(1, 11)])
    assert all(before >= after for before, after in pairwise(factors[9:]))
    assert factors[55] == pytest.approx({"constant": 1, "linear": 0.5, "cosine": 0.5}[schedule])
    assert schedule_factor(config, 500, 100) == (1 if schedule == "constant" else pytest.approx(0))


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_update_rules(name, kind):
    weight = nn.Parameter(torch.ones(3))
    config = TrainConfig(optimizer=name, lr=0.1, momentum=0.7, weight_decay=0.01)
    ours, theirs = make_optimizer([weight], config), kind([nn.Parameter(torch.ones(3))], lr=0.1, weight_decay=0.01)
    assert isinstance(ours, kind)
    if name == "sgd":
        assert ours.param_groups[0]["momentum"] == 0.7
        theirs.param_groups[0]["momentum"] = 0.7
    for _ in range(3):
        for optimizer in (ours, theirs):
            optimizer.param_groups[0]["params"][0].grad = torch.tensor([1.0, -2.0, 0.5])
            optimizer.step()
    torch.testing.assert_close(weight, theirs.param_groups[0]["params"][0])


def test_the_average_follows_its_formula_and_gives_the_weights_back():
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(1.0)
    average, expected = WeightAverage(module, 0.9), 1.0
    for update in range(1, 200):
        with torch.no_grad():
            module.weight.fill_(float(update))
        average.update()
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * update
    with average.applied():
        assert module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert module.weight.item() == 199
    assert not math.isclose(expected, 199)


def test_no_average_means_the_weights_themselves():
    module = nn.Linear(1, 1)
    average = WeightAverage(module, 0.0)
    average.update()
    before = module.weight.item()
    with average.applied():
        assert module.weight.item() == before
