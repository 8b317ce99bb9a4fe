"""The sections made of single texts: there where they can be, in their order, and true."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from tests.inspect.test_report import NASTY, Page
from throughtime.inspect.report import Evidence, write_report
from throughtime.inspect.report.calibration import calibration
from throughtime.inspect.report.lengths import _group, by_length, difference, lengths
from throughtime.inspect.report.worst import SHORT, WHOLE, worst

SINGLE = ["The worst mistakes", "Short texts and long ones", "Can its probabilities be believed?"]


def headings(content):
    return re.findall("<h2>(.*?)</h2>", content)


def read(sections):
    return re.sub(r"\s+", " ", Page("".join(sections)).text)


@pytest.fixture
def report(tmp_path):
    def write(model, history, evidence):
        write_report(tmp_path / "report.html", model, history, evidence)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def test_the_order_is_that_of_reading(report, make_model, make_history, make_evidence):
    content = report(make_model(), make_history(), make_evidence())
    expected = ["Scores", "Where it errs", "Each class", *SINGLE, "How it learnt", "Data", "Settings", "Make it again"]
    assert headings(content) == expected
    page = Page(content)
    assert page.count("svg") == 8  # 4 curves, 2 of lengths, 2 of calibration
    ids = re.findall(r'\bid="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert all(re.search(r"\w", attributes["aria-label"]) for tag, attributes in page.tags if tag == "svg")


def test_ratings_have_them_too(report, make_rater, make_answered):
    chances = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]] * 30, dtype=np.float32)
    answers = np.concatenate([[[1.1], [2.0]] * 30, chances], 1)
    own = make_answered(answers, [1.0, 3.0] * 30)
    content = report(make_rater(), [], Evidence({"train": own.lengths, "valid": own.lengths}, {"valid": own}))
    assert [heading for heading in headings(content) if heading in SINGLE] == SINGLE
    text = re.sub(r"\s+", " ", Page(content).text)
    assert "told 2, expected 3 (30.0%)" in text
    assert "Mean absolute error by length" in text
    assert "--calibrate" not in text


def test_numbers_without_grades_have_no_probabilities(report, make_rater, make_answered):
    own = make_answered([[1.5], [2.5], [0.0]], [1.5, 2.0, 9.0])
    content = report(
        make_rater(["1.5", "2"]), [], Evidence({"train": own.lengths, "valid": own.lengths}, {"valid": own})
    )
    assert [heading for heading in headings(content) if heading in SINGLE] == SINGLE[:2]
    assert re.findall(r"told <b>(.*?)</b>, expected <b>(.*?)</b>", content) == [("0", "9"), ("2.5", "2")]


def test_without_held_out_data_there_are_only_lengths(report, make_model, make_history):
    evidence = Evidence({"train": np.array([3, 4, 9])})
    content = report(make_model(valid=False, test=False), make_history(valid=False), evidence)
    assert [heading for heading in headings(content) if heading in SINGLE] == SINGLE[1:2]


def test_without_evidence_there_are_none(report, make_model, make_history):
    assert not set(headings(report(make_model(), make_history(), Evidence()))) & set(SINGLE)


def test_texts_are_never_markup(report, make_model, make_history, make_evidence):
    texts = [NASTY, f"{NASTY} {'word ' * 80}{NASTY}"] * 30
    page = Page(report(make_model([NASTY, "spam"]), make_history(labels=[NASTY, "spam"]), make_evidence(texts=texts)))
    assert page.count("script") == 0
    assert page.text.count(NASTY) >= 20


@pytest.mark.parametrize("rows", [1, 2, 60])
def test_any_number_of_texts_of_any_length(report, make_model, make_history, make_evidence, rows):
    empty = make_evidence(rows=rows, texts=[""] * rows)
    same = {part: np.zeros_like(own) for part, own in empty.lengths.items()}
    text = Page(report(make_model(), make_history(), replace(empty, lengths=same))).text
    assert "too few texts, or lengths" in text
    assert ("an empty text" in text) == (rows >= 4)  # every fourth is a mistake


# ---- the worst mistakes ----


def test_the_surest_wrong_answers_come_first_with_their_place(make_model, make_evidence):
    text = read(worst(make_model(), make_evidence()))
    assert "Of the test data" in text
    told = re.findall(r"told (\w+) \((.*?)%\), expected (\w+) \((.*?)%\) texts.csv, line (\d+)", text)
    assert len(told) == 15
    assert [int(line) for *_, line in told] == list(range(61, 2, -4))
    assert told[0][:3] == ("ham", "98.4", "spam")
    assert "10 more" in text
    assert "folder" not in text


def test_large_numbers_are_told_whole(make_rater, make_answered):
    own = make_answered([[20240102, 0.5, 0.4, 0.1], [20240102, 0.1, 0.7, 0.2]], [1.0, 3.0])
    own = replace(own, targets=np.array([20240101.0, 20240103.0]), told=np.array([20240102.0, 20240102.0]))
    text = read(worst(make_rater(["20240101", "20240102", "20240103"]), Evidence({}, {"valid": own})))
    told = re.findall(r"told (\S+), expected (\S+) \((.*?)%\)", text)
    assert told == [("20240102", "20240101", "50.0"), ("20240102", "20240103", "20.0")]


def test_no_more_than_twenty(make_model, make_evidence):
    assert Page("".join(worst(make_model(), make_evidence(rows=400)))).count("li") == 20


def test_without_mistakes_it_says_so(make_model, make_answered):
    own = make_answered([[0.9, 0.1]], [0])
    assert "There are none on the validation data." in read(worst(make_model(), Evidence({}, {"valid": own})))


@pytest.mark.parametrize("text", ["word " * 60, "x" * 500, "word " * 3000])
def test_a_long_text_is_cut_where_a_word_ends_and_goes_on_below(make_model, make_answered, text):
    own = make_answered([[0.9, 0.1]], [1], [text])
    content = "".join(worst(make_model(), Evidence({}, {"valid": own})))
    begun, rest = re.findall(r"<summary>(.*?) <span>…</span></summary><p>(.*?)</p>", content)[0]
    assert len(begun) <= SHORT
    whole = text.strip()
    shown = rest.partition(" <span")[0]
    assert whole.startswith(f"{begun} {shown}" if " " in whole else begun + shown)
    assert ("characters more" in rest) == (len(whole) > WHOLE)
    assert len(content) < 2 * WHOLE


# ---- by length ----


def test_groups_hold_every_text_once_and_intervals_their_value():
    draw = np.random.default_rng(0)
    for count in (1, 24, 51, 1000):
        lengths, errors = draw.geometric(0.05, count), draw.random(count)
        for values in (errors, errors < 0.8):
            groups = by_length(lengths, values)
            assert sum(group.count for group in groups) == count
            assert len(groups) <= 6
            assert all(group.low <= group.value <= group.high for group in groups if not np.isnan(group.low))
            assert all(one.longest < other.shortest for one, other in pairwise(groups))


def test_an_interval_of_errors_is_that_of_their_mean():
    (group,) = by_length(np.array([3, 3, 3, 3]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert group.value == 2.5
    known = stats.t.interval(0.95, 3, 2.5, stats.sem([1, 2, 3, 4]))
    assert (group.low, group.high) == pytest.approx((max(0, known[0]), known[1]))


@pytest.mark.parametrize("errors", [[1.0], [0.5, 0.5]])
def test_errors_that_do_not_differ_have_no_interval(make_rater, make_answered, errors):
    (group,) = by_length(np.array([3] * len(errors)), np.array(errors))
    assert np.isnan([group.low, group.high]).all()
    own = make_answered([[1 + error] for error in errors], [1.0] * len(errors))
    assert f"{errors[0]:g}––" in read(lengths(make_rater(), Evidence({"valid": own.lengths}, {"valid": own})))


def test_an_interval_of_a_difference_holds_it_in_95_of_100_samples():
    draw = np.random.default_rng(0)
    for count, long in ((10, 12), (150, 40)):
        held = {"shares": 0, "means": 0}
        for _ in range(400):
            sizes = np.repeat([1, 2], [count, long])
            chance, scale = np.where(sizes == 1, 0.8, 0.6), np.where(sizes == 1, 1.0, 3.0)
            errors = 5 + scale * draw.standard_normal(len(sizes))
            for name, values, truth in (("shares", draw.random(len(sizes)) < chance, -0.2), ("means", errors, 0)):
                first, last = (_group(sizes[sizes == n], values[sizes == n]) for n in (1, 2))
                low, high = difference(first, last)
                held[name] += low <= truth <= high
        assert all(0.92 * 400 <= times <= 0.985 * 400 for times in held.values())


def test_a_difference_of_means_is_welchs():
    draw = np.random.default_rng(0)
    one, other = draw.random(20), 3 * draw.random(12)
    known = stats.ttest_ind(other, one, equal_var=False).confidence_interval()
    found = difference(_group(np.ones(20), one), _group(np.ones(12), other))
    assert found == pytest.approx((known.low, known.high))


SURE, CHANCE, FEW = "a larger difference than chance makes", "chance alone can make", "too few texts to tell"


@pytest.mark.parametrize(
    ("counts", "rights", "words"),
    [
        ((150, 150), (150, 0), SURE),
        ((150, 150), (150, 150), CHANCE),
        ((150, 150), (120, 105), SURE),  # their intervals overlap
        ((150, 150), (120, 110), CHANCE),
        ((99, 1), (99, 0), FEW),
        ((99, 9), (99, 0), FEW),
    ],
)
def test_a_difference_is_only_claimed_where_there_is_one(make_model, make_answered, counts, rights, words):
    """Texts of one word and of a hundred."""
    texts = ["word"] * counts[0] + ["word " * 100] * counts[1]
    targets = np.concatenate([np.arange(count) >= right for count, right in zip(counts, rights, strict=True)])
    own = make_answered(np.tile([[0.9, 0.1]], (sum(counts), 1)), targets.astype(int), texts)
    assert words in read(lengths(make_model(), Evidence({"valid": own.lengths}, {"valid": own})))


@pytest.mark.parametrize(
    ("long", "words"),
    [([3.0], FEW), ([3.0, 3.0], FEW), ([3.0] * 12, SURE), ([1.2, 0.9] * 10, CHANCE), ([2.0, 0.0] * 10, CHANCE)],
)
def test_a_difference_of_errors_too(make_rater, make_answered, long, words):
    errors = [0.9, 1.1] * 50 + long
    texts = ["word"] * 100 + ["word " * 100] * len(long)
    own = make_answered([[error] for error in errors], [0.0] * len(errors), texts)
    assert words in read(lengths(make_rater(), Evidence({"valid": own.lengths}, {"valid": own})))


# ---- calibration ----


def test_it_says_which_way_it_errs(make_model, make_answered):
    for chance, words in ((0.99, "too sure"), (0.55, "too modest"), (0.8, "about as sure as it should be")):
        chances = np.tile([[chance, 1 - chance]], (200, 1))
        own = make_answered(chances, [0, 0, 0, 0, 1] * 40)
        text = read(calibration(make_model(), Evidence({}, {"valid": own})))
        assert f"it is {words}" in text
        assert f"{abs(chance - 0.8):.1%} apart" in text


def test_it_says_what_a_temperature_did(make_model, make_answered):
    chances = np.tile([[0.8, 0.2]], (20, 1))
    own = make_answered(chances, [0, 1] * 10, uncalibrated=np.tile([[0.9, 0.1]], (20, 1)))
    result = make_model().config.result
    result["valid"] |= {"ece": 0.125}
    result["calibration"] = {"temperature": 1.5, "before": {"valid": {"loss": 0.75, "ece": 0.25}}}
    content = "".join(calibration(make_model(result=result), Evidence({}, {"valid": own})))
    text = read([content])
    assert "divided by the temperature 1.5" in text
    assert "validation25.0%12.5%0.75000.2468" in text.replace(" ", "")
    assert "before calibration" in content
