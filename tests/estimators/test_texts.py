"""The estimators keep scikit-learn's conventions and the config classes' words."""

import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import throughtime as tt
from tests.conftest import reviews
from throughtime.data.vocabulary import VocabularyConfig
from throughtime.errors import UsageError
from throughtime.model import RunConfig
from throughtime.tasks import ClassifierConfig, RaterConfig
from throughtime.train.config import TrainConfig

SMALL = {"hidden_size": 8, "embedding_size": 8, "epochs": 6, "lr": 0.02}
OWN = {"validation_fraction": 0.1, "warm_start": False, "random_state": RunConfig().seed}
# What only the command line does: a clock that starts with the process, and files.
NOT_HERE = {"minutes", "checkpoint_seconds", "seed"}


def texts(rows=80, seed=0):
    labels, words = zip(*reviews(rows, seed), strict=True)
    return list(words), list(labels)


@pytest.mark.parametrize(
    ("estimator", "network"), [(tt.SequenceClassifier, ClassifierConfig), (tt.SequenceRegressor, RaterConfig)]
)
def test_the_signatures_are_those_of_the_config_classes(estimator, network):
    found = {name: parameter.default for name, parameter in inspect.signature(estimator).parameters.items()}
    expected = {}
    for config in (VocabularyConfig, network, TrainConfig, RunConfig):
        expected |= {name: field.default for name, field in config.model_fields.items() if name not in NOT_HERE}
    assert found == expected | {"dropout": None} | OWN


# Sequences of a few numbers need a small network and many steps; the checks' data sets are tiny.
FOR_CHECKS = {
    "hidden_size": 16, "epochs": 40, "lr": 0.03, "dropout": 0.0, "label_smoothing": 0.0, "pooling": "last",
    "bidirectional": False, "threads": 1,
}  # fmt: skip


@parametrize_with_checks(
    [
        tt.SequenceClassifier(**FOR_CHECKS),
        tt.SequenceRegressor(**{name: value for name, value in FOR_CHECKS.items() if name != "label_smoothing"}),
    ]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_texts_grids_and_scores():
    words, labels = texts(240)
    small = SMALL | {"epochs": 15}
    search = GridSearchCV(tt.SequenceClassifier(**small), {"cell": ["gru", "elman"]}, cv=2).fit(words, labels)
    assert search.best_score_ > 0.85
    assert cross_val_score(tt.SequenceClassifier(**small), words, labels, cv=2).mean() > 0.85
    model = search.best_estimator_
    assert model.predict(["a lovely warm film", "a dull cold film"]).tolist() == ["good", "bad"]
    assert model.predict_proba(words).sum(1) == pytest.approx(1.0)


def test_pickles_clones_and_folders_answer_alike(tmp_path):
    words, labels = texts()
    model = tt.SequenceClassifier(**SMALL).fit(words, labels)
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict_proba(words) == model.predict_proba(words)).all()
    assert (clone(model).fit(words, labels).predict_proba(words) == model.predict_proba(words)).all()
    model.save(tmp_path / "model")
    assert tt.load(tmp_path / "model").predict(words) == model.predict(words).tolist()


def test_a_warm_start_goes_on():
    words, labels = texts()
    model = tt.SequenceClassifier(**(SMALL | {"epochs": 1, "warm_start": True})).fit(words, labels)
    first = model.history_[-1].loss
    assert model.fit(words, labels).history_[0].loss < first
    cold = model.set_params(warm_start=False).fit(words, labels)
    assert cold.history_[0].loss == pytest.approx(first)


def test_arrays_of_different_lengths(tmp_path):
    """Which way a wave's phase turns, whatever its length."""
    draw = np.random.default_rng(0)
    angles = [np.arange(draw.integers(5, 20)) * 0.7 * sign + draw.uniform(0, 6) for sign in [1, -1] * 40]
    waves = [np.stack([np.cos(angle), np.sin(angle)], axis=1) for angle in angles]
    model = tt.SequenceClassifier(hidden_size=16, epochs=15, lr=0.02, dropout=0.0).fit(waves, ["left", "right"] * 40)
    assert model.score(waves, ["left", "right"] * 40) > 0.95
    with pytest.raises(UsageError, match="pickle it instead"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(ValueError, match="expected arrays, as in training, found texts"):
        model.predict(["a text"])


def test_grades_are_told_between_their_ends():
    words = ["bad", "so so", "good", "very good"] * 12
    model = tt.SequenceRegressor(**(SMALL | {"epochs": 20})).fit(words, [1, 2, 3, 4] * 12)
    told = model.predict(["bad", "very good"])
    assert 1 <= told[0] < 2
    assert 3 < told[1] <= 4
    assert model.score(words, [1, 2, 3, 4] * 12) > 0.8


def test_one_text_is_no_list_of_texts():
    with pytest.raises(UsageError, match="put it in a list"):
        tt.SequenceClassifier().fit("a text", [1])


class Series:
    """As pandas has it: it iterates and turns into an array, but is neither a Sequence nor an array."""

    def __init__(self, values):
        self.array = np.array(values, dtype=object)
        self.dtype, self.shape, self.ndim = self.array.dtype, self.array.shape, 1

    def __len__(self):
        return len(self.array)

    def __iter__(self):
        return iter(self.array)

    def __array__(self, dtype=None, copy=None):
        return self.array.astype(dtype or object)


class Frame(Series):
    """Iterating gives the columns' names, which are no texts."""

    def __init__(self, values):
        super().__init__(values)
        self.array = self.array[:, None]
        self.shape, self.ndim = self.array.shape, 2

    def __iter__(self):
        return iter(["text"])


def varied(words):
    return np.array(words, dtype=np.dtypes.StringDType())


CONTAINERS = [
    tuple,
    np.array,
    lambda words: np.array(words, dtype=object),
    varied,
    Series,
    lambda w: dict(enumerate(w)).values(),
]


ONCE = SMALL | {"updates": 2, "epochs": None, "threads": 1}


@pytest.fixture(scope="module")
def of_texts():
    return tt.SequenceClassifier(**ONCE).fit(*texts(24))


@pytest.fixture(scope="module")
def rater():
    return tt.SequenceRegressor(**ONCE).fit(["good", "bad"] * 4, [1.0, 2.5] * 4)


@pytest.mark.parametrize("hold", CONTAINERS)
def test_texts_are_texts_whatever_holds_them(of_texts, hold):
    words, labels = texts(24)
    expected = of_texts.predict_proba(words)
    assert (of_texts.predict_proba(hold(words)) == expected).all()
    assert (clone(of_texts).fit(hold(words), labels).predict_proba(words) == expected).all()


@pytest.mark.parametrize("hold", [list, np.array, varied, Series])
def test_labels_are_labels_whatever_holds_them(of_texts, hold):
    words, labels = texts(24)
    assert clone(of_texts).fit(words, hold(labels)).predict(words).tolist() == of_texts.predict(words).tolist()


def test_arrays_of_different_lengths_stand_in_a_series_too():
    waves = [np.arange(3 + row % 4) + 5.0 * (row % 2) for row in range(24)]
    model = tt.SequenceClassifier(**ONCE).fit(Series(waves), [0, 1] * 12)
    assert (model.predict_proba(Series(waves)) == model.predict_proba(waves)).all()


@pytest.mark.parametrize("hold", [list, tuple, np.array, varied, Series])
def test_of_nothing_there_are_no_answers(of_texts, rater, hold):
    assert of_texts.predict(hold([])).shape == (0,)
    assert of_texts.predict_proba(hold([])).shape == (0, 2)
    assert rater.predict(hold([])).shape == (0,)
    with pytest.raises(ValueError, match="expected sequences to learn from, found none"):
        tt.SequenceClassifier().fit(hold([]), hold([]))


def test_what_is_no_text_is_named(of_texts):
    with pytest.raises(ValueError, match="expected only texts, found None as number 1"):
        of_texts.predict(Series(["a film", None]))
    with pytest.raises(ValueError, match="could not convert string to float"):
        of_texts.predict(Frame(["a film", "another"]))


def test_a_random_state_is_a_number_or_is_drawn_from():
    words, labels = texts(24)
    model = tt.SequenceClassifier(**ONCE)

    def seed_of(random_state):
        return model.set_params(random_state=random_state).fit(words, labels).model_.config.run.seed

    assert seed_of(7) == seed_of(np.int64(7)) == 7
    state = np.random.RandomState(3)
    drawn = [seed_of(state), seed_of(state)]
    assert drawn[0] == seed_of(np.random.RandomState(3))
    assert drawn[0] != drawn[1]
    assert seed_of(None) != seed_of(None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"random_state": -1}, "random_state: expected a value greater than or equal to 0, found -1"),
        ({"random_state": "one"}, "random_state: expected a whole number, a RandomState or None, found 'one'"),
        ({"hidden_size": 0}, "hidden_size: expected a value greater than or equal to 1, found 0"),
        ({"cell": "lstn"}, "cell: expected 'elman', 'lstm' or 'gru', found 'lstn'"),
        ({"epochs": 1.5}, "epochs: expected a valid integer, got a number with a fractional part, found 1.5"),
        ({"threads": 0}, "threads: expected a value greater than or equal to 1, found 0"),
        ({"tokens": None}, "tokens: expected 'word', 'char' or 'bpe', found None"),
    ],
)
def test_what_a_parameter_cannot_be_is_one_sentence(given, told):
    with pytest.raises(UsageError) as error:
        tt.SequenceClassifier(**given).fit(["good", "bad"] * 4, [1, 0] * 4)
    assert str(error.value) == told


@pytest.fixture
def begun():
    return tt.SequenceClassifier(**ONCE, warm_start=True).fit(*texts(24))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"hidden_size": 9}, "hidden_size: expected 8, as in the model to go on from, found 9"),
        ({"one_hot": True}, "one_hot: expected False, as in the model to go on from, found True"),
        ({"tokens": "char"}, "tokens: expected 'word', as in the model to go on from, found 'char'"),
        ({"max_length": 3}, "max_length: expected None, as in the model to go on from, found 3"),
    ],
)
def test_a_warm_start_with_another_network_or_vocabulary_is_refused(begun, changed, told):
    with pytest.raises(UsageError) as error:
        begun.set_params(**changed).fit(*texts(24))
    assert str(error.value) == told


def test_a_warm_start_with_other_sequences_is_refused(begun):
    with pytest.raises(ValueError, match="expected texts, as in training, found arrays"):
        begun.fit([[1.0, 2.0], [2.0, 1.0]] * 4, ["good", "bad"] * 4)
    with pytest.raises(ValueError, match="expected sequences to learn from, found none"):
        begun.fit([], [])


def test_a_warm_start_may_learn_otherwise(begun, tmp_path):
    words, labels = texts(24)
    begun.set_params(class_weights="balanced", dropout=0.1, label_smoothing=0.0, lr=0.01).fit(words, labels)
    assert begun.model_.task.class_weights is not None
    begun.set_params(class_weights="none").fit(words, labels)
    assert begun.model_.task.class_weights is None
    begun.save(tmp_path / "model")
    assert (tt.load(tmp_path / "model").answers(words) == begun.model_.answers(words)).all()
