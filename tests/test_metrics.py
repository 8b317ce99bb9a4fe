"""The calibration error and spans against counts by hand, and what must hold of them whatever the answers are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data.spans import read_spans
from throughtime.metrics import Bin, SpanCounts, SpanScore, TokenCounts, calibration_error, reliability


def test_the_calibration_error_by_hand():
    confidence = np.array([0.95, 0.91, 0.99, 0.97, 0.62, 0.68, 0.64, 0.55])
    right = np.array([True, True, False, True, True, False, False, True])
    bins = reliability(confidence, right, bins=10)
    assert [part.count for part in bins] == [1, 3, 4]
    assert [part.accuracy for part in bins] == pytest.approx([1.0, 1 / 3, 0.75])
    assert [part.confidence for part in bins] == pytest.approx([0.55, 1.94 / 3, 0.955])
    # (1 · 0.45 + 3 · |1/3 - 1.94/3| + 4 · 0.205) / 8
    assert calibration_error(bins) == pytest.approx((0.45 + 0.94 + 0.82) / 8)


def test_a_bin_holds_its_upper_edge():
    assert reliability(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]), bins=2) == [
        Bin(2, 0.25, 0.5),
        Bin(1, 1.0, 1.0),
    ]


def test_what_is_not_finite_does_not_fail():
    bins = reliability(np.array([np.nan, 0.9]), np.array([False, True]))
    assert sum(part.count for part in bins) == 2


ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(ANSWERS, st.integers(1, 20), st.randoms())
def test_the_bins_part_the_answers_in_any_order(answers, bins, random):
    def found(rows):
        confidence, right = (np.array(column) for column in zip(*rows, strict=True))
        return reliability(confidence, right, bins)

    parts = found(answers)
    assert sum(part.count for part in parts) == len(answers)
    assert all(0 <= part.accuracy <= 1 for part in parts)
    assert 0 <= calibration_error(parts) <= 1
    shuffled = list(answers)
    random.shuffle(shuffled)
    assert calibration_error(found(shuffled)) == pytest.approx(calibration_error(parts), abs=1e-9)


@given(ANSWERS)
def test_one_bin_sets_the_mean_confidence_against_the_accuracy(answers):
    confidence, right = (np.array(column) for column in zip(*answers, strict=True))
    error = calibration_error(reliability(confidence, right, bins=1))
    assert error == pytest.approx(abs(confidence.mean() - right.mean()))


# ---- spans ----


def test_spans_by_hand():
    counts = SpanCounts()
    counts.add([(0, 2, "PER"), (3, 4, "LOC")], [(0, 2, "PER"), (3, 4, "ORG")])  # another type is wrong
    counts.add([(0, 2, "PER"), (2, 3, "PER")], [(0, 3, "PER")])  # two in one are wrong
    counts.add([], [(5, 6, "PER")])
    assert counts.overall() == SpanScore(targets=4, predicted=4, correct=1)
    assert counts.by_type() == {"LOC": (1, 0, 0), "ORG": (0, 1, 0), "PER": (3, 3, 1)}
    assert counts.by_type()["PER"].f1 == pytest.approx(1 / 3)


def test_a_span_counts_once():
    counts = SpanCounts()
    counts.add([(0, 1, "X")], [(0, 1, "X"), (0, 1, "X")])
    assert counts.overall() == (1, 1, 1)


@pytest.mark.parametrize(("targets", "predicted"), [(0, 0), (3, 0), (0, 3), (3, 3)])
def test_where_conlleval_would_divide_by_zero_it_says_zero(targets, predicted):
    score = SpanScore(targets, predicted, 0)
    assert (score.precision, score.recall, score.f1) == (0.0, 0.0, 0.0)
    assert SpanCounts().overall() == (0, 0, 0)
    assert SpanCounts().by_type() == {}
    assert TokenCounts().accuracy is None


# The example of conlleval's documentation (https://www.clips.uantwerpen.be/conll2000/chunking/output.html): of 961
# tokens 84.08 % are right, of 459 chunks 371 were found among 539. It gives the percentages and how many were
# predicted of each type; how many there are and how many are right follows from these.
CHUNKS = {
    "ADJP": ((6, 1, 0), "0.00 0.00 0.00"),
    "ADVP": ((8, 11, 5), "45.45 62.50 52.63"),
    "NP": ((262, 317, 206), "64.98 78.63 71.16"),
    "PP": ((90, 107, 89), "83.18 98.89 90.36"),
    "SBAR": ((6, 3, 2), "66.67 33.33 44.44"),
    "VP": ((87, 100, 69), "69.00 79.31 73.80"),
}


def percent(score):
    return " ".join(f"{100 * value:.2f}" for value in (score.precision, score.recall, score.f1))


def test_the_figures_of_conllevals_own_example():
    counts = SpanCounts()
    for type, ((targets, predicted, correct), _) in CHUNKS.items():
        found = [(at, at + 1, type) for at in range(correct)]
        missed = [(1000 + at, 1001 + at, type) for at in range(targets - correct)]
        wrong = [(2000 + at, 2001 + at, type) for at in range(predicted - correct)]
        counts.add(found + missed, wrong + found)
    assert {type: (tuple(score), percent(score)) for type, score in counts.by_type().items()} == CHUNKS
    assert counts.overall() == (459, 539, 371)
    assert percent(counts.overall()) == "68.83 80.83 74.35"


def test_token_accuracy():
    counts = TokenCounts()
    counts.add(["B-X"] * 808, ["B-X"] * 808)
    counts.add(["O"] * 153, ["I-X"] * 153)
    assert (counts.right, counts.total) == (808, 961)
    assert f"{100 * counts.accuracy:.2f}" == "84.08"
    with pytest.raises(ValueError, match="argument"):
        counts.add(["O"], [])


def conlleval(sentences):
    """Count as conlleval.pl does, from tag to tag and without spans: chunks there are, predicted, right; right tags.

    Told from the Perl of 2004-01-26; a sentence ends with an O on both sides.
    """

    def parted(tag):
        letter, _, type = tag.partition("-")
        return letter, type

    def ends(before, tag):
        changes = before[0] + tag[0] in ("BB", "BO", "IB", "IO", "EE", "EI", "EO")
        return changes or (before[0] != "O" and before[1] != tag[1])

    def starts(before, tag):
        changes = before[0] + tag[0] in ("BB", "IB", "OB", "OI", "EE", "EI", "OE")
        return changes or (tag[0] != "O" and before[1] != tag[1])

    there = predicted = correct = right = 0
    inside, before, guessed_before = False, ("O", ""), ("O", "")
    for targets, guesses in sentences:
        for target, guess in [*zip(targets, guesses, strict=True), (None, None)]:
            right += target is not None and target == guess
            tag, guessed = parted(target or "O"), parted(guess or "O")
            end, guessed_end = ends(before, tag), ends(guessed_before, guessed)
            if inside and end and guessed_end and before[1] == guessed_before[1]:
                inside, correct = False, correct + 1
            elif inside and (end != guessed_end or tag[1] != guessed[1]):
                inside = False
            start, guessed_start = starts(before, tag), starts(guessed_before, guessed)
            inside = inside or (start and guessed_start and tag[1] == guessed[1])
            there, predicted = there + start, predicted + guessed_start
            before, guessed_before = tag, guessed
    return (there, predicted, correct), right


@given(st.data(), st.sampled_from(["BI", "IE", "I", "B"]))
def test_any_tags_are_counted_as_conlleval_counts_them(data, letters):
    tags = st.sampled_from(["O", *(f"{letter}-{type}" for letter in letters for type in ("X", "Y-1"))])
    pairs = data.draw(st.lists(st.lists(st.tuples(tags, tags | st.none()), max_size=8), max_size=4))
    sentences = [([a for a, _ in pair], [b or a for a, b in pair]) for pair in pairs]
    spans, tokens = SpanCounts(), TokenCounts()
    for targets, predicted in sentences:
        spans.add(read_spans(targets), read_spans(predicted))
        tokens.add(targets, predicted)
    assert (spans.overall(), tokens.right) == conlleval(sentences)
