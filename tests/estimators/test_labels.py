"""The labeler keeps scikit-learn's conventions, on lists of words and lists of labels."""

import inspect
import pickle
import random
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

import throughtime as tt
from tests.estimators.test_texts import NOT_HERE, OWN, Series
from throughtime.data.given import GivenSentence
from throughtime.data.lexicon import LexiconConfig
from throughtime.errors import DataError, UsageError
from throughtime.model import RunConfig
from throughtime.tasks import LabelerConfig
from throughtime.train.config import TrainConfig

SMALL = {
    "hidden_size": 8, "embedding_size": 8, "character_size": 4, "character_hidden": 4, "threads": 1,
    "epochs": 8, "lr": 0.03, "batch_size": 8, "dropout": 0.1,
}  # fmt: skip
ONCE = SMALL | {"updates": 2, "epochs": None}
KINDS = {"DET": ["the", "a"], "ADJ": ["old", "red"], "NOUN": ["dog", "cat"], "VERB": ["sees", "hears"]}


def tagged(rows=60, seed=0):
    """Sentences of three to nine words."""
    draw = random.Random(seed)
    phrase = [["DET", "NOUN"], ["DET", "ADJ", "NOUN"]]
    labels = [
        draw.choice(phrase) + ["VERB"] + (draw.choice(phrase) if draw.random() < 0.7 else []) for _ in range(rows)
    ]
    return [[draw.choice(KINDS[label]) for label in row] for row in labels], labels


def spans(rows=60, seed=0):
    """Every noun and what stands before it is a span."""
    words, labels = tagged(rows, seed)
    inside = {"DET": "B-NP", "ADJ": "I-NP", "NOUN": "I-NP", "VERB": "O"}
    return words, [[inside[label] for label in row] for row in labels]


@pytest.fixture(scope="module")
def tagger():
    return tt.SequenceLabeler(**SMALL).fit(*tagged())


@pytest.fixture(scope="module")
def once():
    return tt.SequenceLabeler(**ONCE).fit(*tagged(24))


def test_the_signature_is_that_of_the_config_classes():
    found = {name: parameter.default for name, parameter in inspect.signature(tt.SequenceLabeler).parameters.items()}
    expected = {}
    for config in (LexiconConfig, LabelerConfig, TrainConfig, RunConfig):
        expected |= {name: field.default for name, field in config.model_fields.items() if name not in NOT_HERE}
    assert found == expected | OWN


def test_every_word_has_its_label(tagger):
    words, labels = tagged(20, seed=1)
    assert tagger.score(words, labels) > 0.95
    assert [len(row) for row in tagger.predict(words)] == [len(row) for row in words]
    assert tagger.predict([["the", "cat"], [], ["hears"]]) == [["DET", "NOUN"], [], ["VERB"]]


def test_probabilities_are_of_the_classes(tagger):
    tables = tagger.predict_proba([["the", "old", "cat"], [], ["hears"]])
    assert [table.shape for table in tables] == [(3, 4), (0, 4), (1, 4)]
    assert tagger.classes_.tolist() == ["ADJ", "DET", "NOUN", "VERB"]
    assert tables[0].sum(1) == pytest.approx(1.0)
    assert tagger.classes_[tables[0].argmax(1)].tolist() == ["DET", "ADJ", "NOUN"]


def test_of_spans_the_score_is_their_f1():
    words, labels = spans()
    model = tt.SequenceLabeler(**SMALL).fit(words, labels)
    told = model.predict(words)
    assert {label for row in told for label in row} <= {"B-NP", "I-NP", "O"}
    assert model.classes_.tolist() == ["O", "B-NP", "I-NP", "E-NP", "S-NP"]
    assert model.score(words, labels) == model.model_.evaluate(_sentences(words, labels))["f1"] > 0.9
    assert model.predict_proba(words)[0].sum(1) == pytest.approx(1.0)


def _sentences(words, labels):
    return [GivenSentence(own, told, row) for row, (own, told) in enumerate(zip(words, labels, strict=True))]


def test_grids_and_scores():
    words, labels = tagged()
    search = GridSearchCV(tt.SequenceLabeler(**SMALL), {"hidden_size": [2, 8]}, cv=2).fit(words, labels)
    assert search.best_score_ > 0.9
    assert search.best_estimator_.predict([["a", "dog"]]) == [["DET", "NOUN"]]
    assert cross_val_score(tt.SequenceLabeler(**SMALL), words, labels, cv=2).mean() > 0.9


def test_predictions_of_folds_come_together_where_arrays_hold_the_rows():
    words, labels = tagged(24)
    told = cross_val_predict(tt.SequenceLabeler(**ONCE), objects(words), objects(labels), cv=2)
    assert [len(row) for row in told] == [len(row) for row in words]


def test_pickles_clones_and_folders_answer_alike(once, tmp_path):
    words, labels = tagged(24)
    expected = once.predict_proba(words)
    for model in (pickle.loads(pickle.dumps(once)), clone(once).fit(words, labels)):
        assert all((own == other).all() for own, other in zip(model.predict_proba(words), expected, strict=True))
    once.save(tmp_path / "model")
    assert tt.load(tmp_path / "model").predict(words) == once.predict(words)


def test_a_warm_start_goes_on():
    words, labels = tagged(24)
    model = tt.SequenceLabeler(**(SMALL | {"epochs": 1, "warm_start": True})).fit(words, labels)
    first = model.history_[-1].loss
    assert model.fit(words, labels).history_[0].loss < first
    with pytest.raises(ValueError, match="expected the labels of the model to go on from, found another one in row 1"):
        model.fit([["the"], ["dog"]], [["DET"], ["X"]])
    with pytest.raises(UsageError, match="hidden_size: expected 8, as in the model to go on from, found 9"):
        model.set_params(hidden_size=9).fit(words, labels)


def test_a_random_state_decides():
    words, labels = tagged(24)
    one, other = (clone(tt.SequenceLabeler(**ONCE, random_state=state)).fit(words, labels) for state in (7, 8))
    assert one.model_.config.run.seed == 7
    assert not (one.predict_proba(words)[0] == other.predict_proba(words)[0]).all()


@pytest.mark.parametrize("ask", ["predict", "predict_proba"])
def test_before_fit_there_are_no_answers(ask):
    with pytest.raises(NotFittedError):
        getattr(tt.SequenceLabeler(), ask)([["the", "dog"]])


def objects(rows):
    array = np.empty(len(rows), dtype=object)
    for number, row in enumerate(rows):
        array[number] = row
    return array


def arrays(rows):
    return [np.array(row) for row in rows]


def tuples(rows):
    return tuple(map(tuple, rows))


@pytest.mark.parametrize("hold", [tuples, arrays, objects, lambda rows: objects(arrays(rows)), lambda r: iter(list(r))])
def test_rows_are_rows_whatever_holds_them(once, hold):
    words, labels = tagged(24)
    assert list(once.predict(hold(words))) == once.predict(words)
    assert clone(once).fit(hold(words), hold(labels)).predict(words) == once.predict(words)


def test_of_arrays_and_series_the_answers_are_arrays(once):
    for rows in (objects([["a", "dog"], ["the", "cat"]]), np.array([["a", "dog"], ["the", "cat"]])):
        assert once.predict(rows).shape == once.predict_proba(rows).shape == (2,)
    assert isinstance(once.predict([["a", "dog"]]), list)
    assert isinstance(once.predict(Series([["a", "dog"], ["the"]])), np.ndarray)
    assert once.predict([]) == once.predict_proba([]) == []


def test_labels_may_be_numbers():
    model = tt.SequenceLabeler(**SMALL).fit([["a", "b"], ["b", "a"]] * 12, [np.array([1, 10]), [10, 1]] * 12)
    assert model.predict([["b", "a"], ["a"]]) == [[10, 1], [1]]
    assert model.classes_.tolist() == [1, 10]
    with pytest.raises(ValueError, match="told apart by their names, found 1 and '1'"):
        model.fit([["a", "b"]], [[1, "1"]])


@pytest.mark.parametrize(
    ("X", "y", "told"),
    [
        ([["a", "b"], ["a"]], [["X", "Y"], []], "expected a label for each of the 1 words of row 1, found 0"),
        ([["a"], ["a", 3]], [["X"], ["X", "Y"]], "expected only words, found 3 in row 1"),
        ([["a"], ["b"]], [["X"], [None]], "expected a label for each word, found None in row 1"),
        ([["a"], ["b"]], [["X"], [float("nan")]], "expected a label for each word, found nan in row 1"),
        ([["a"], []], [["X"], []], "expected words to learn from, found none in row 1"),
        ([], [], "expected sentences to learn from, found none"),
        ([["a"], 3], [["X"], ["Y"]], "expected a list of sentences, each a list of words, found 3 as row 1"),
        ({"a": 1}, [["X"]], "expected a list of sentences, each a list of words, found dict"),
        ([["a"]], None, "SequenceLabeler requires y to be passed, but the target y is None"),
    ],
)
def test_what_is_no_sentence_is_named_with_its_row(X, y, told):
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        tt.SequenceLabeler().fit(X, y)


def test_texts_are_no_lists_of_words(once):
    with pytest.raises(UsageError, match=r"each a list of words, found a text$"):
        once.predict("the dog")
    with pytest.raises(UsageError, match="each a list of words, found a text as row 1"):
        once.predict([["the", "dog"], "the dog"])
    with pytest.raises(UsageError, match="each a list of labels, found a text as row 0"):
        once.fit([["the", "dog"]], ["DET NOUN"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        once.score([["the", "dog"]], [])


def test_tags_that_their_scheme_does_not_allow_are_named_with_their_row():
    with pytest.raises(DataError, match="X, line 2: expected B-LOC"):
        tt.SequenceLabeler().fit([["a", "b"]] * 3, [["B-LOC", "I-LOC"], ["O", "O"], ["O", "I-LOC"]])
    with pytest.raises(DataError, match="at least two different labels to tell apart, found only 'X'"):
        tt.SequenceLabeler().fit([["a", "b"]], [["X", "X"]])
