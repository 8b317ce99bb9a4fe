"""The calibration error and spans against counts by hand, and what must hold of them whatever the answers are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.data.spans import read_spans
from throughtime.metrics import (
    Bin,
    SpanCounts,
    SpanScore,
    TokenCounts,
    calibration_error,
    gleu,
    reliability,
    text_errors,
    token_errors,
    translation,
)


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


# ---- sequences as answers ----


def test_texts_whose_marks_stand_alone_are_measured_without_a_word(caplog, capfd):
    translation(["Right , as essays are parted ."] * 200, [["Right , as essays are parted ."]] * 200)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_bleu_by_hand():
    """Of 6 words 5 are right, of 5 pairs 4, of 4 triples 3, of 3 quadruples 2; nothing is too short."""
    scores = translation(["the cat sat on the Mat"], [["the cat sat on the mat"]])
    assert scores["bleu"] == pytest.approx(100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)
    assert scores["bleu_lc"] == pytest.approx(100)
    assert scores["chrf"] < 100
    assert scores["bleu_signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_texts_may_have_unequal_numbers_of_references():
    predicted = ["a small dog runs away", "the cat sat down here"]
    references = [["a dog runs away fast", "a small dog runs away", "it runs"], ["the cat sat down here"]]
    assert translation(predicted, references)["bleu"] == pytest.approx(100)
    assert text_errors(predicted, references) == {"wer": 0.0, "cer": 0.0}
    assert translation(predicted, [own[:1] for own in references])["bleu"] < 90


def test_errors_of_texts_by_hand():
    """``a b c`` is one word from ``a b c d``, two from ``a x``; both words of the other are wrong, one is too many."""
    found = text_errors(["a b c", "x y z"], [["a x", "a b c d"], ["p q"]])
    assert found["wer"] == pytest.approx((1 + 3) / (4 + 2))
    assert text_errors(["", "ab"], [["abc"], ["ab"]]) == {"wer": 1 / 2, "cer": 3 / 5}
    assert text_errors(["ab"], [[""]]) == {"wer": None, "cer": None}


TOKENS = st.lists(st.sampled_from("ABC"), max_size=6)


def distance(left, right):
    """The edit distance, by the textbook's recursion."""
    if not left or not right:
        return len(left) + len(right)
    changed = distance(left[1:], right[1:]) + (left[0] != right[0])
    return min(changed, distance(left[1:], right) + 1, distance(left, right[1:]) + 1)


@given(st.lists(st.tuples(TOKENS, st.lists(TOKENS, min_size=1, max_size=3)), min_size=1, max_size=3))
def test_token_errors_are_edit_distances_to_the_closest(pairs):
    predicted, references = zip(*pairs, strict=True)
    closest = [min(right, key=lambda own: distance(answer, own)) for answer, right in pairs]
    errors, total = sum(map(distance, predicted, closest)), sum(map(len, closest))
    found = token_errors(predicted, references)
    assert found["ter"] == (pytest.approx(errors / total) if total else None)
    assert found["exact"] == pytest.approx(sum(answer in right for answer, right in pairs) / len(pairs))


def test_gleu_by_hand():
    """Source ``a b c … i``, reference ``a x c … i``: what is shared, less what has the ``b`` that should have gone.

    Of the unchanged source 8 - 1 of 9 words, 6 - 2 of 8 pairs, 5 - 2 of 7 triples and 4 - 2 of 6 quadruples are right.
    """
    source, reference = list("abcdefghi"), list("axcdefghi")
    assert gleu([source], [source], [[reference]]) == pytest.approx(100 * (7 / 9 * 4 / 8 * 3 / 7 * 2 / 6) ** 0.25)
    assert gleu([source], [reference], [[reference]]) == pytest.approx(100)
    assert gleu([source], [reference[:-2]], [[reference]]) == pytest.approx(100 * np.exp(1 - 9 / 7))  # too short
    assert gleu([source], [source[:5]], [[reference]]) == 0  # no quadruple is left
    assert gleu([source] * 2, [source[:5], source], [[reference]] * 2) > 0  # but over a corpus there is one


def test_gleu_averages_over_the_references():
    source, answer = ["a", "b", "c", "d", "e"], ["a", "x", "c", "d", "e"]
    near, far = ["a", "x", "c", "d", "e"], ["p", "q", "r", "s", "t"]
    both = gleu([source] * 40, [answer] * 40, [[near, far]] * 40)
    assert gleu([source] * 40, [answer] * 40, [[far]] * 40) < both < gleu([source] * 40, [answer] * 40, [[near]] * 40)
    assert both == gleu([source] * 40, [answer] * 40, [[near, far]] * 40)


@pytest.mark.parametrize(("part", "unchanged"), [("dev", 38.2), ("test", 40.5)])
def test_gleu_of_unchanged_text_is_what_jfleg_says(shared_data, part, unchanged):
    """Its README has these figures, from the authors' own program."""

    def lines(name):
        text = (shared_data / "jfleg" / f"{part}.{name}").read_text(encoding="utf-8")
        return [line.split() for line in text.split("\n")[:-1]]

    source = lines("src")
    references = list(zip(*(lines(f"ref{number}") for number in range(4)), strict=True))
    assert gleu(source, source, references) == pytest.approx(unchanged, abs=0.05)


@pytest.mark.parametrize("measure", [translation, text_errors, token_errors])
@pytest.mark.parametrize(
    ("predicted", "references", "found"),
    [([], [], "0 and 0"), (["a"], [], "1 and 0"), (["a", "b"], [["a"], []], "2 and 2, some empty")],
)
def test_answers_need_references(measure, predicted, references, found):
    with pytest.raises(ValueError, match=f"for each at least one reference, found {found}"):
        measure(predicted, references)


def test_gleu_needs_a_source_for_each_answer():
    with pytest.raises(ValueError, match="expected a source for each of 1 answers, found 2"):
        gleu([["a"], ["b"]], [["a"]], [[["a"]]])
