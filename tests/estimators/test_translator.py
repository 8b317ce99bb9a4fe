"""``SequenceTranslator``: a text for a text, by scikit-learn's conventions."""

import inspect
import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

import throughtime as tt
from tests.estimators.test_texts import NOT_HERE, OWN, Series
from throughtime.data.two_sided import TwoSidedConfig
from throughtime.decode.beam import BeamConfig
from throughtime.errors import UsageError
from throughtime.estimators.translator import _pairs
from throughtime.metrics import translation
from throughtime.model import RunConfig
from throughtime.tasks.translations import OF_LETTERS, TranslatorConfig
from throughtime.train.config import TrainConfig

SOURCES = [first + second for first in "abcd" for second in ("", "b", "d")] * 2
TARGETS = [text[::-1].upper() for text in SOURCES]
SMALL = {
    "hidden_size": 32, "embedding_size": 16, "dropout": 0.0, "label_smoothing": 0.0, "word_dropout": 0.0, "lr": 0.02,
    "batch_size": 8, "epochs": 40, "average": 0.9, "threads": 1,
}  # fmt: skip
ONCE = SMALL | {"updates": 2, "epochs": None}


@pytest.fixture(scope="module")
def model():
    return tt.SequenceTranslator(**SMALL).fit(SOURCES, TARGETS)


@pytest.fixture(scope="module")
def once():
    return tt.SequenceTranslator(**ONCE).fit(SOURCES, TARGETS)


def test_the_signature_is_that_of_the_config_classes():
    found = {name: one.default for name, one in inspect.signature(tt.SequenceTranslator).parameters.items()}
    expected = {}
    for config in (TwoSidedConfig, TranslatorConfig, TrainConfig, RunConfig, BeamConfig):
        expected |= {name: field.default for name, field in config.model_fields.items() if name not in NOT_HERE}
    assert found == expected | dict.fromkeys(OF_LETTERS) | OWN


def test_what_is_left_open_suits_the_tokens_and_what_is_given_stays():
    def network(**given):
        return tt.SequenceTranslator(**given)._config(TrainConfig(), 1).settled().network

    assert network(tokens="word") == TranslatorConfig()
    assert network(tokens="char") == TranslatorConfig(**OF_LETTERS)
    assert network(tokens="char", dropout=0.4, tie_weights=True).dropout == 0.4


def test_words_are_answered(model):
    assert model.score(SOURCES, TARGETS) > 0.9
    assert model.predict(["ab", "", " cd "]) == ["BA", "", "DC"]
    best, second = model.translate(["ab"], n_best=2)[0]
    assert best.text == "BA" != second.text
    assert best.score > second.score
    assert [own[0].text[0] for own in model.translate(["ab", "cd"], prefixes=("A", "D"))] == ["A", "D"]


def test_several_answers_are_right(model, once):
    several = [["x", word] for word in TARGETS]
    assert model.score(SOURCES, several) == model.score(SOURCES, TARGETS)
    assert model.score(["ab", "cd"], [("x", model.predict(["ab"])[0]), np.array(["x"])]) == 0.5
    assert _pairs(["ab"], [["BA", "x", " BA"]])[0].targets == ("BA", "x")
    assert clone(once).fit(SOURCES, several).translate(["ab"]) != once.translate(["ab"])


def test_letters_are_scored_by_right_answers_and_words_by_bleu(model):
    assert model.score(["ab", "cd"], ["BA", "x"]) == 0.5
    sources = ["one two three four five six", "six five four three two one"] * 8
    words = tt.SequenceTranslator(**(ONCE | {"tokens": "word"})).fit(sources, sources)
    told = words.predict(sources)
    assert words.score(sources, told) == pytest.approx(translation(told, [[text] for text in told])["bleu"])
    assert words.score(sources, sources) == pytest.approx(translation(told, [[text] for text in sources])["bleu"])


def test_pairs_of_one_source_stand_on_one_side(model):
    pairs = _pairs(SOURCES, TARGETS)
    splits = tt.SequenceTranslator()._split(pairs, 1)
    assert len(splits.valid) > 0
    assert not {pair.text for pair in splits.valid} & {pair.text for pair in splits.train}
    assert len(tt.SequenceTranslator(validation_fraction=0)._split(pairs, 1).train) == len(pairs)


def test_it_is_cloned_pickled_and_saved(once, tmp_path):
    expected = once.translate(["ab", "dc"], n_best=3)
    assert pickle.loads(pickle.dumps(once)).translate(["ab", "dc"], n_best=3) == expected
    assert not hasattr(clone(once), "model_")
    assert clone(once).fit(SOURCES, TARGETS).translate(["ab", "dc"], n_best=3) == expected
    once.save(tmp_path / "model")
    assert tt.load(tmp_path / "model").predict(["ab"]) == once.predict(["ab"])


def test_grids_and_folds():
    small = tt.SequenceTranslator(**ONCE)
    search = GridSearchCV(small, {"beam": [1, 3]}, cv=2).fit(SOURCES, TARGETS)
    assert search.best_params_["beam"] in (1, 3)
    assert cross_val_score(small, SOURCES, TARGETS, cv=2).shape == (2,)
    assert cross_val_predict(small, np.array(SOURCES), TARGETS, cv=2).shape == (len(SOURCES),)


def test_the_search_is_that_of_its_parameters(once):
    narrow = pickle.loads(pickle.dumps(once)).set_params(beam=1, max_length=1)
    assert all(len(text) <= 1 for text in narrow.predict(SOURCES))
    with pytest.raises(UsageError, match="expected from 1 to 1 answers"):
        narrow.translate(["ab"], n_best=2)
    with pytest.raises(UsageError, match="beam: expected a value greater than or equal to 1, found 0"):
        tt.SequenceTranslator(**(ONCE | {"beam": 0})).fit(SOURCES, TARGETS)
    with pytest.raises(UsageError, match="keep: expected joint=True, one vocabulary for both sides"):
        tt.SequenceTranslator(**(ONCE | {"keep": 1.0})).fit(SOURCES, TARGETS)


def test_a_warm_start_goes_on():
    warm = tt.SequenceTranslator(**(SMALL | {"epochs": 1, "warm_start": True})).fit(SOURCES, TARGETS)
    first = warm.history_[-1].loss
    assert warm.fit(SOURCES, TARGETS).history_[0].loss < first
    warm.set_params(dropout=0.1, label_smoothing=0.1, word_dropout=1.0, beam=2)
    phrases = ["a b and c", "c d and a and b c"] * 4
    assert warm.fit(phrases, phrases).model_.config.vocabulary.sides == ("char", "char")
    with pytest.raises(UsageError, match="hidden_size: expected 32, as in the model to go on from, found 8"):
        warm.set_params(hidden_size=8).fit(SOURCES, TARGETS)


def test_a_random_state_decides():
    one, same, other = (tt.SequenceTranslator(**ONCE, random_state=state).fit(SOURCES, TARGETS) for state in (7, 7, 8))
    assert one.translate(["ab"]) == same.translate(["ab"]) != other.translate(["ab"])


def test_before_fit_there_are_no_answers():
    for ask in ("predict", "translate"):
        with pytest.raises(NotFittedError):
            getattr(tt.SequenceTranslator(), ask)(["ab"])


@pytest.mark.parametrize("hold", [tuple, np.array, Series, iter])
def test_texts_are_texts_whatever_holds_them(once, hold):
    assert list(once.predict(hold(["ab", "cd"]))) == once.predict(["ab", "cd"])
    again = clone(once).fit(hold(SOURCES), hold(TARGETS))
    assert again.translate(["ab"]) == once.translate(["ab"])
    assert isinstance(again.predict(Series(["ab"])), np.ndarray)
    assert once.predict([]) == []


@pytest.mark.parametrize(
    ("X", "y", "told"),
    [
        (["a", 3], ["b", "c"], "expected only texts, found 3 in row 1"),
        (["a", " "], ["b", "c"], "expected a source to learn from, found an empty one in row 1"),
        (["a", "b"], ["b", ""], "expected a right answer, found an empty one in row 1"),
        (["a", "b"], ["b", []], "expected a right answer, found none in row 1"),
        (["a", "b"], ["b", 7], "expected a text or a list of texts as a target, found 7 in row 1"),
        (["a", "b"], ["b", ["c", None]], "expected only texts as targets, found None in row 1"),
        ([], [], "expected pairs to learn from, found none"),
        ({"a": 1}, ["b"], "expected a list of texts, found dict"),
        (["a"], 5, "expected a list of targets, found int"),
        (["a"], None, "SequenceTranslator requires y to be passed, but the target y is None"),
    ],
)
def test_what_is_no_pair_is_named_with_its_row(X, y, told):
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        tt.SequenceTranslator(**ONCE).fit(X, y)


def test_one_text_is_no_list_of_texts(once):
    for ask in (lambda: once.predict("ab"), lambda: once.fit("ab", ["b"]), lambda: once.fit(["ab"], "b")):
        with pytest.raises(UsageError, match="put it in a list"):
            ask()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        once.score(["ab"], [])
    with pytest.raises(ValueError, match="expected pairs to score on, found none"):
        once.score([], [])
