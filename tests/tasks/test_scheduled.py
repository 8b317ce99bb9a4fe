"""The share of right symbols told: a function of the update alone, as the paper draws it."""

from __future__ import annotations

import math

import pytest

from throughtime.tasks.scheduled import DECAYS, share_told


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("half", [1, 7, 1000, 10**7])
def test_it_falls_from_1_and_is_a_half_where_it_should_be(decay, half):
    shares = [share_told(decay, round(half * times / 4), half) for times in range(12)]
    assert shares == sorted(shares, reverse=True)
    assert all(0 <= share <= 1 for share in shares)
    assert share_told(decay, half, half) == pytest.approx(0.5)
    if half >= 1000:
        assert shares[0] > 0.99


def test_they_are_the_papers_formulas():
    k = 500.0
    half = round(k * math.log(k))
    for update in (0, 10, 100, 400, 10**6):
        expected = k / (k + math.exp(min(update / k, 700)))
        assert share_told("inverse-sigmoid", update, half) == pytest.approx(expected, rel=0.01, abs=1e-9)
        assert share_told("exponential", update, 70) == pytest.approx((0.5 ** (1 / 70)) ** update, abs=1e-12)
        assert share_told("linear", update, 500) == pytest.approx(max(0, 1 - 0.001 * update))
