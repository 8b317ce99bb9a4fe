"""What looks wrong before training, with its count and its places."""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import dataclass

import pytest

from throughtime.data import Example, read_examples
from throughtime.data.given import GivenSentence
from throughtime.data.lint import Place, Warning, lint, other_columns
from throughtime.errors import DataError


def examples(rows, path="a.csv", first=1):
    return [Example(text, label, path, line) for line, (text, label) in enumerate(rows, first)]


def clean(count=100, seed=0):
    draw = random.Random(seed)
    words = ["the", "a", "film", "story", "was", "and", "its", "cast", "ending", "with", "of", "good", "bad", "so"]
    return [(f"{n} " + " ".join(draw.choices(words, k=8)), draw.choice(["pos", "neg"])) for n in range(count)]


def said(*parts, **options):
    return [str(warning) for warning in lint(*parts, **options)]


def test_clean_data_has_no_warnings():
    rows = clean(300)
    assert said(examples(rows[:200]), examples(rows[200:250]), examples(rows[250:])) == []
    assert said([]) == []


def test_what_has_no_label_repeats_a_text():
    rows = [("a", None), ("b", None), ("a", None)]
    assert said(examples(rows), holds=("text", "")) == ["1 row repeats an earlier text: a.csv, line 3 (as line 1)"]


def test_repeated_rows_and_contradictions_are_told_apart():
    rows = [("a", "x"), ("b", "y"), (" a ", "x"), ("a", "y"), ("a", "y"), ("b", "y"), ("c", "x"), ("A", "x")]
    assert lint(examples(rows)) == [
        Warning(
            "rows repeat an earlier text and label",
            3,
            (
                Place("a.csv", 3, Place("a.csv", 1)),
                Place("a.csv", 5, Place("a.csv", 1)),
                Place("a.csv", 6, Place("a.csv", 2)),
            ),
        ),
        Warning("row repeats an earlier text with another label", 1, (Place("a.csv", 4, Place("a.csv", 1)),)),
    ]


def test_only_the_first_places_are_kept():
    (warning,) = lint(examples([("a", "x"), ("b", "y"), ("c", "y")] + [("a", "x")] * 40))
    assert warning.count == 40
    assert [place.line for place in warning.places] == [4, 5, 6, 7, 8]
    assert str(warning).endswith("a.csv, line 8 (as line 1); ...")


def test_rows_in_several_parts():
    train = examples([("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")])
    valid = examples([("b", "y"), ("n", "x")], "valid.csv")
    test = examples([("m", "x"), ("c", "y"), ("n", "x")], "test.csv")
    assert said(train, valid, test) == [
        "1 row of the validation data has a text of the training data: valid.csv, line 1 (as a.csv, line 2)",
        "1 row of the test data has a text of the training data: test.csv, line 2 (as a.csv, line 3)",
        "1 row of the test data has a text of the validation data: test.csv, line 3 (as valid.csv, line 2)",
    ]


def test_empty_texts_are_left_to_the_readers():
    assert said(examples([("", "x"), (" ", "y"), ("", "y"), ("", "x")]), examples([("", "x"), ("", "y")])) == []


def test_lonely_labels():
    train = examples([("a", "x"), ("b", "y"), ("c", "x"), ("d", "y"), ("e", "rare"), ("f", "z"), ("g", "z")])
    valid = examples([("h", "x"), ("i", "new"), ("j", "y"), ("k", "new")], "v.csv")
    assert said(train, valid) == [
        '1 label stands on a single row of the training data ("rare"): a.csv, line 5',
        '1 label stands in the training data and not in the validation data ("z"): a.csv, line 6',
        '1 label stands in the validation data and not in the training data ("new"): v.csv, line 2',
    ]


def test_numbers_may_stand_alone_but_not_contradict():
    train = examples([("a", 1.5), ("b", 2.25), ("a", 3.0), ("b", 2.25)])
    assert said(train) == [
        "1 row repeats an earlier text and label: a.csv, line 4 (as line 2)",
        "1 row repeats an earlier text with another label: a.csv, line 3 (as line 1)",
    ]
    assert said(examples([("a", None), ("b", None), ("c", None)])) == []


def test_any_labelled_rows_will_do():
    @dataclass(frozen=True)
    class Rated:
        text: str
        label: float
        path: str
        line: int

    (warning,) = lint([Rated("a", 1.0, "f", 1), Rated("a", 1.0, "f", 2)])
    assert warning.count == 1


@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.parametrize("kind", [str, float])
def test_a_column_that_tells_the_label(wrong, kind):
    draw = random.Random(0)
    rows = [(f"text {n}", kind(draw.choice([1, 2]))) for n in range(400)]
    columns = {
        "id": list(range(400)),
        "constant": [1] * 400,
        "weekday": [draw.randrange(7) for _ in rows],
        "source": ["s1" if (label == kind(1)) == (n >= wrong) else "s2" for n, (_, label) in enumerate(rows)],
    }
    (warning,) = lint(examples(rows), columns=columns)
    assert warning.count == 400
    assert 'a column "source" that tells the label by itself' in str(warning)
    assert ("100.0% right" in str(warning)) == (wrong == 0)


def test_a_column_that_follows_a_frequent_label_is_no_news():
    rows = [(f"text {n}", "rare" if n in (5, 205) else "usual") for n in range(400)]
    assert lint(examples(rows), columns={"half": [n % 2 for n in range(400)]}) == []


def test_the_other_columns_of_a_table(write):
    rows = "".join(f"{n},text {n},{'pos' if n % 3 else 'neg'},{int(n % 3 > 0)}\n" for n in range(90))
    path = write("a.csv", "id,text,label,code\n" + rows)
    found, source = read_examples(path)
    train = found[10:]
    columns = other_columns(path, source, train)
    assert {name: len(values) for name, values in columns.items()} == {"id": 80, "code": 80}
    (warning,) = lint(train, found[:10], columns=columns)
    assert 'column "code"' in str(warning)
    path.write_text("id,text,label,code\n0,a,b,c\n")
    with pytest.raises(DataError, match="rows that were read before"):
        other_columns(path, source, train)
    plain, told = read_examples(write("b.txt", "__label__a b\n__label__b c\n"))
    assert other_columns(plain[0].path, told, plain) == {}


@pytest.mark.parametrize("noise", [0, 1])
def test_a_word_that_tells_the_label(noise):
    rows = clean(400)
    marked = [
        (f"{text} {'<eos1>' if (label == 'pos') != (n < noise) else ''}", label) for n, (text, label) in enumerate(rows)
    ]
    (warning,) = lint(examples(marked))
    assert 'hold the word "<eos1>", which tells the label "pos" by itself' in str(warning)
    assert len(warning.places) == 5


def test_a_word_that_is_only_frequent_tells_nothing():
    rows = [
        (f"{text} {'award' if label == 'pos' and n % 10 else ''}", label) for n, (text, label) in enumerate(clean(400))
    ]
    assert lint(examples(rows)) == []
    assert lint(examples([(f"the {text}", label) for text, label in clean(400)])) == []


def test_a_hundred_thousand_rows_take_seconds_and_little_memory():
    draw = random.Random(0)
    words = [f"w{n}" for n in range(5000)]
    rows = [(" ".join(draw.choices(words, k=100)), draw.choice(["a", "b", "c"])) for _ in range(2000)]
    many = examples([(f"{n} {text}", label) for n in range(50) for text, label in rows])
    lint(many[:1000])
    begun = time.process_time()
    assert lint(many[:90_000], many[90_000:95_000], many[95_000:]) == []
    assert time.process_time() - begun < 2
    some = many[:20_000]
    tracemalloc.start()
    lint(some)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.75 * sum(len(row.text) for row in some)  # no copy of the texts, which are 100 words long


# ---- labels of words ----


def tagged(*rows, path="a.conll"):
    """Sentences with these labels, and words that stand nowhere else."""
    labels = map(str.split, rows)
    return [GivenSentence([f"{path}{line}"] * len(own), own, line, path) for line, own in enumerate(labels, 1)]


def tags(sentence):
    return tuple(sentence.labels)


def test_words_with_a_label_that_training_does_not_show():
    train = tagged("DET NOUN", "VERB NOUN")
    assert lint(train, tagged("DET VERB VERB", path="v"), value=tags) == []
    found = lint(train, tagged("DET X", path="v"), tagged("VERB", "Y {} Y VERB", path="t"), value=tags)
    assert found == [
        Warning(
            'word of the validation data has a label that the training data does not show ("X")', 1, (Place("v", 1),)
        ),
        Warning(
            'words of the test data have a label that the training data does not show ("Y", "{}")',
            3,
            (Place("t", 2),) * 3,
        ),
    ]


def test_of_spans_only_a_new_type_is_a_new_label():
    train = tagged("O B-PER O", "B-LOC I-LOC")
    assert lint(train, tagged("B-PER I-PER I-PER O", path="v"), value=tags) == []
    [warning] = lint(train, tagged("B-PER I-PER B-ORG I-ORG O", path="v"), value=tags)
    assert (warning.count, "B-ORG" in str(warning), "I-PER" in str(warning)) == (2, True, False)
