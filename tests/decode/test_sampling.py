"""Choosing symbols, against a slow implementation in plain Python that sorts and counts."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import chisquare

from throughtime.decode import Sampler, SamplingConfig, streams


def slow(scores, config, banned=(), produced=()):
    """One row's probabilities: a dictionary of what is left is passed from filter to filter."""
    left = {symbol: score for symbol, score in enumerate(scores) if symbol not in banned}
    for symbol in set(produced) & set(left):
        penalty = config.repetition_penalty
        left[symbol] = left[symbol] / penalty if left[symbol] > 0 else left[symbol] * penalty
    best_first = sorted(left, key=lambda symbol: (-left[symbol], symbol))
    if config.temperature == 0:
        return [float(symbol == best_first[0]) for symbol in range(len(scores))]
    left = softmax({symbol: left[symbol] / config.temperature for symbol in best_first[: config.top_k]})
    if config.typical is not None:
        entropy = -sum(p * math.log(p) for p in left.values() if p)
        far = {symbol: abs(-math.log(p) - entropy) if p else math.inf for symbol, p in left.items()}
        left = until(left, sorted(left, key=lambda symbol: (far[symbol], symbol)), config.typical)
    if config.top_p is not None:
        left = until(left, sorted(left, key=lambda symbol: (-left[symbol], symbol)), config.top_p)
    return [left.get(symbol, 0.0) for symbol in range(len(scores))]


def softmax(scores):
    top = max(scores.values())
    weights = {symbol: math.exp(score - top) for symbol, score in scores.items()}
    return {symbol: weight / math.fsum(weights.values()) for symbol, weight in weights.items()}


def until(probabilities, order, share):
    kept, total = {}, 0.0
    for symbol in order:
        kept[symbol] = probabilities[symbol]
        total += probabilities[symbol]
        if total >= share:
            break
    return {symbol: p / total for symbol, p in kept.items()}


CONFIGS = [
    {},
    {"temperature": 0},
    {"temperature": 0.5},
    {"temperature": 3},
    {"top_k": 1},
    {"top_k": 4},
    {"top_k": 100},
    {"typical": 0.2},
    {"typical": 0.7},
    {"top_p": 0.001},
    {"top_p": 0.6},
    {"top_p": 1, "typical": 1},
    {"repetition_penalty": 1.7},
    {"repetition_penalty": 0.5},
    {"temperature": 0, "repetition_penalty": 4},
    {"temperature": 1.3, "top_k": 6, "typical": 0.9, "top_p": 0.8, "repetition_penalty": 1.2},
]


@pytest.mark.parametrize("settings", CONFIGS, ids=str)
@pytest.mark.parametrize("banned", [(), (0, 3)])
def test_distributions_are_those_of_the_definition(settings, banned):
    torch.manual_seed(0)
    config = SamplingConfig(**settings)
    logits, produced = 2 * torch.randn(20, 9, dtype=torch.float64), torch.rand(20, 9) < 0.4
    found = Sampler(config, banned=banned).distribution(logits, produced=produced)
    for row, said, probabilities in zip(logits.tolist(), produced, found, strict=True):
        wanted = slow(row, config, banned, said.nonzero().flatten().tolist())
        torch.testing.assert_close(probabilities, torch.tensor(wanted, dtype=torch.float64))


def test_a_textbook_nucleus_and_typical_set():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    nucleus = Sampler(SamplingConfig(top_p=0.7)).distribution(logits)
    torch.testing.assert_close(nucleus, torch.tensor([[0.625, 0.375, 0, 0]], dtype=torch.float64))
    # The entropy is 1.142; the surprises are 0.693, 1.204, 1.897 and 2.996: the second is the nearest.
    typical = Sampler(SamplingConfig(typical=0.25)).distribution(logits)
    assert typical.tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("settings", [{"top_k": 2}, {"top_p": 0.5}, {"typical": 0.5}])
def test_of_equal_symbols_the_first_stay(settings):
    found = Sampler(SamplingConfig(**settings), banned=[0]).distribution(torch.zeros(1, 5))
    assert found.tolist() == [[0, 0.5, 0.5, 0, 0]]


@given(
    scores=st.lists(st.floats(-(2.0**99), 2.0**99, width=32) | st.just(-math.inf), min_size=1, max_size=8),
    temperature=st.sampled_from([0, 5e-324, 1e-30, 0.1, 1, 1e300]),
    top_k=st.none() | st.integers(1, 9),
    top_p=st.none() | st.floats(1e-300, 1),
    typical=st.none() | st.floats(1e-300, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=100)
def test_one_symbol_always_stays_and_only_such_are_drawn(scores, temperature, top_k, top_p, typical, seed):
    logits = torch.tensor([[1.0, *scores]], dtype=torch.float32)
    config = SamplingConfig(temperature=temperature, top_k=top_k, top_p=top_p, typical=typical)
    sampler = Sampler(config)
    found = sampler.distribution(logits)[0]
    assert abs(float(found.sum()) - 1) < 1e-12
    assert found[int(sampler(logits, streams(seed, 1)))] > 0


def test_symbols_come_as_often_as_they_should():
    torch.manual_seed(1)
    logits, draws = torch.randn(1, 6), 20_000
    sampler = Sampler(SamplingConfig(temperature=0.8, top_k=5), banned=[2])
    wanted = sampler.distribution(logits)[0] * draws
    one = sampler(logits.expand(draws, -1), torch.Generator().manual_seed(0)).bincount(minlength=6)
    many = sampler(logits.expand(4000, -1), streams(3, 4000)).bincount(minlength=6)
    assert one[wanted == 0].sum() == many[wanted == 0].sum() == 0
    kept = wanted > 0
    assert chisquare(one[kept], wanted[kept]).pvalue > 0.01
    assert chisquare(many[kept], wanted[kept] / 5).pvalue > 0.01


@pytest.mark.parametrize("temperature", [0, 1, 1e6])
def test_banned_symbols_never_come(temperature):
    logits = torch.tensor([[50.0, 1, 40, 1, 1]]).expand(2000, -1)
    found = Sampler(SamplingConfig(temperature=temperature), banned=(0, 2, 2))(logits, torch.Generator())
    assert set(found.tolist()) == ({1} if temperature == 0 else {1, 3, 4})


def test_temperature_0_takes_the_first_of_the_largest_and_no_number():
    stream = torch.Generator().manual_seed(0)
    before = stream.get_state()
    found = Sampler(SamplingConfig(temperature=0))(torch.tensor([[1.0, 3, 3, 2], [-5, -5, -6, -5]]), stream)
    assert found.tolist() == [1, 0]
    assert found.dtype == torch.int64
    assert torch.equal(stream.get_state(), before)


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.7, "top_k": 30, "typical": 0.95, "top_p": 0.9}])
def test_a_row_is_the_same_whatever_stands_beside_it(settings):
    torch.manual_seed(2)
    sampler, logits = Sampler(SamplingConfig(**settings), banned=[0, 1]), torch.randn(3, 9, 65)
    together = streams(5, 9)
    rows = torch.stack([sampler(step, together) for step in logits], dim=1)
    again = streams(5, 9)
    assert torch.equal(torch.stack([sampler(step, again) for step in logits], dim=1), rows)
    for number in (0, 4, 8):
        (alone,) = streams(5, 1, first=number)
        assert [int(sampler(step[number : number + 1], [alone])) for step in logits] == rows[number].tolist()
        one = sampler.distribution(logits[0, number : number + 1])
        assert torch.equal(one, sampler.distribution(logits[0])[number : number + 1])


def test_the_scores_are_left_as_they_were():
    logits = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    before = logits.detach().clone()
    Sampler(SamplingConfig(temperature=0.5), banned=[1])(logits, torch.Generator())
    assert torch.equal(logits.detach(), before)


def test_half_precision_and_no_rows():
    sampler = Sampler(SamplingConfig(top_p=0.9))
    assert sampler(torch.zeros(2, 3, dtype=torch.bfloat16), torch.Generator()).shape == (2,)
    assert sampler(torch.zeros(0, 3), []).shape == (0,)
    assert sampler.distribution(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("temperature", [0, 1])
@pytest.mark.parametrize("scores", [[math.nan, 1.0, 2.0], [math.inf, 1.0, 2.0], [-math.inf, -math.inf, 2.0]])
def test_scores_without_an_answer_are_refused(temperature, scores):
    with pytest.raises(ValueError, match="expected a finite largest score among symbols that are not banned"):
        Sampler(SamplingConfig(temperature=temperature), banned=[2])(torch.tensor([scores]), torch.Generator())


@pytest.mark.parametrize("penalty", [5e-324, 1e308])
def test_the_most_extreme_penalty_leaves_a_symbol_and_none_that_is_banned(penalty):
    sampler = Sampler(SamplingConfig(repetition_penalty=penalty), banned=[0])
    found = sampler.distribution(torch.tensor([[9.0, 3.0, -4.0], [9.0, -3.0, -4.0]]), produced=torch.ones(2, 3).bool())
    assert found[:, 0].tolist() == [0, 0]
    assert found.sum(1).tolist() == [1, 1]


def test_what_does_not_fit_is_named():
    sampler = Sampler(SamplingConfig(repetition_penalty=2), banned=[3])
    with pytest.raises(ValueError, match=r"V of at least 4, found \[1, 3\]"):
        sampler.distribution(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"expected logits \[B, V\]"):
        sampler.distribution(torch.zeros(5))
    with pytest.raises(ValueError, match="expected a generator for each of 2 rows, found 1"):
        sampler(torch.zeros(2, 5), streams(0, 1))
    with pytest.raises(ValueError, match=r"expected produced of bool \[1, 5\], found torch.float32 \[5\]"):
        sampler.distribution(torch.zeros(1, 5), produced=torch.zeros(5))
    with pytest.raises(ValueError, match="expected banned symbols of at least 0, found -1"):
        Sampler(SamplingConfig(), banned=[2, -1])


@pytest.mark.parametrize(
    "settings", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"typical": 1.1}, {"repetition_penalty": 0}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValidationError):
        SamplingConfig(**settings)
