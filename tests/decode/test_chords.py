"""Drawing chords, against all chords there are of a few pitches."""

import itertools
import math

import pytest
import torch
from scipy.stats import chisquare

from throughtime.decode.chords import ChordSampler
from throughtime.decode.sampling import streams

LOGITS = torch.tensor([0.3, -1.2, 2.0, -0.4, 0.1])
DRAWS = 4000


def slow(logits, sizes, intervals=None):
    """The probability of every chord: that of its pitches, weighed by size and intervals."""
    weights = {}
    for chord in itertools.product([0, 1], repeat=len(logits)):
        size = sum(chord)
        weight = math.prod(1 / (1 + math.exp(-x if on else x)) for on, x in zip(chord, logits.tolist(), strict=True))
        weights[chord] = weight * (sizes[size] if size < len(sizes) else 0)
    of_size = {size: sum(w for chord, w in weights.items() if sum(chord) == size) for size in range(len(sizes))}
    if intervals is not None:  # the size is drawn without them
        for chord in weights:
            places = [place for place, on in enumerate(chord) if on]
            weights[chord] *= math.prod(intervals[b - a] for a, b in itertools.combinations(places, 2))
        for size, own in of_size.items():
            now = sum(w for chord, w in weights.items() if sum(chord) == size)
            weights.update({chord: w * own / now for chord, w in weights.items() if sum(chord) == size and now})
    total = sum(weights.values())
    return {chord: weight / total for chord, weight in weights.items()}


def drawn(sampler, count=DRAWS, logits=LOGITS):
    """How often each chord came."""
    chords = sampler(logits.expand(count, -1), streams(5, count)).int().tolist()
    return {chord: chords.count(list(chord)) for chord in itertools.product([0, 1], repeat=len(logits))}


@pytest.mark.parametrize("sizes", [[1] * 6, [0.1, 0.2, 0.4], [0, 0, 1.0], [1.0, 0, 0, 0, 2.0]])
def test_chords_come_as_often_as_they_should(sizes):
    wanted, found = slow(LOGITS, sizes), drawn(ChordSampler(sizes))
    assert all(wanted[chord] for chord, count in found.items() if count)
    pairs = [(found[chord], p * DRAWS) for chord, p in wanted.items() if p]
    assert chisquare(*zip(*pairs, strict=True)).pvalue > 1e-3


def test_all_sizes_alike_leave_each_pitch_its_own_chance():
    found = drawn(ChordSampler([1] * 6))
    for place, chance in enumerate(LOGITS.sigmoid().tolist()):
        share = sum(count for chord, count in found.items() if chord[place]) / DRAWS
        assert share == pytest.approx(chance, abs=0.03)


def test_intervals_weigh_what_is_drawn():
    sizes, intervals = [0, 0.2, 0.8], [1, 0.02, 1.5, 3.0, 1.0]
    wanted, found = slow(LOGITS, sizes, intervals), drawn(ChordSampler(sizes, intervals))
    for chord, chance in wanted.items():
        assert found[chord] / DRAWS == pytest.approx(chance, abs=0.03)


def test_an_interval_that_never_meets_is_taken_only_where_there_is_no_other():
    found = drawn(ChordSampler([0, 0, 1], [1, 0, 1, 1, 1]))
    assert not sum(count for chord, count in found.items() if any(chord[i] and chord[i + 1] for i in range(4)))
    both = ChordSampler([0, 0, 1], [1, 0])(torch.tensor([[9.0, 9.0]]), streams(1, 1))
    assert both.tolist() == [[True, True]]


def test_a_row_is_the_same_whatever_stands_beside_it():
    sampler, logits = ChordSampler([0.1, 0.3, 0.6], [1, 0.1, 1, 2, 1]), torch.randn(6, 5)
    whole = sampler(logits, streams(3, 6))
    alone = [sampler(logits[row : row + 1], streams(3, 1, first=row)) for row in range(6)]
    assert torch.equal(whole, torch.cat(alone))


def test_temperature_makes_safe_or_bold():
    def told(temperature):
        """How often the likeliest chord came."""
        return drawn(ChordSampler([1] * 6, temperature=temperature), 500)[(1, 0, 1, 0, 1)]

    assert told(0) == 500
    assert told(0.1) > told(0.5) > told(1) > told(5)


@pytest.mark.parametrize("extreme", [50.0, 800.0])
def test_extreme_scores_still_make_chords_of_the_sizes_there_are(extreme):
    logits = torch.tensor([[extreme] * 5, [-extreme] * 5, [extreme, -extreme, extreme, -extreme, 0.0]])
    chords = ChordSampler([0, 0, 0.5, 0.5], [1] * 5)(logits, streams(1, 3))
    assert [int(size) in (2, 3) for size in chords.sum(1)] == [True] * 3
    assert chords[2].tolist()[:4] == [True, False, True, False]


def test_wishes_that_cannot_be():
    with pytest.raises(ValueError, match="expected a temperature of at least 0, found -1"):
        ChordSampler([1], temperature=-1)
    with pytest.raises(ValueError, match="expected the shares of chords' sizes"):
        ChordSampler([0, 0])


@pytest.mark.filterwarnings("error")
def test_the_smallest_temperature_takes_what_is_most_probable():
    scores = torch.tensor([[2.0, 1.9, -1.0, -9.0]])
    found = ChordSampler([0.1, 0.1, 0.8], temperature=5e-324)(scores, streams(0, 1))
    assert found.tolist() == [[True, True, False, False]]
