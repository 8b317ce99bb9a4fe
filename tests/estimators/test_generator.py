"""``SequenceGenerator``: the probability of texts, and new ones, by scikit-learn's conventions."""

import inspect
import json
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

import throughtime as tt
from tests.estimators.test_texts import NOT_HERE, OWN
from throughtime.cli.main import main
from throughtime.data.language import LanguageConfig
from throughtime.errors import UsageError
from throughtime.model import RunConfig
from throughtime.tasks.generate import OF_WORDS, GeneratorConfig
from throughtime.train.config import PassageTrainConfig

TEXTS = ["the dogs bark", "the cats sleep", "the birds sing"] * 12
SMALL = {"hidden_size": 16, "embedding_size": 8, "lr": 0.02, "batch_size": 8}


@pytest.fixture(scope="module")
def model():
    return tt.SequenceGenerator(**SMALL, epochs=30).fit(TEXTS)


def test_the_signature_is_that_of_the_config_classes():
    found = {name: one.default for name, one in inspect.signature(tt.SequenceGenerator).parameters.items()}
    expected = {}
    for config in (LanguageConfig, GeneratorConfig, PassageTrainConfig, RunConfig):
        expected |= {name: field.default for name, field in config.model_fields.items() if name not in NOT_HERE}
    settled = dict.fromkeys([*OF_WORDS, "optimizer", "lr", "weight_decay"])
    assert found == expected | settled | OWN


def test_what_is_left_open_suits_the_tokens_and_what_is_given_stays():
    def config(**given):
        return tt.SequenceGenerator(**given)._config(PassageTrainConfig(), 1).settled().network

    assert config() == GeneratorConfig()
    assert config(tokens="word") == GeneratorConfig(**OF_WORDS)
    kept = config(tokens="word", cell="gru", dropout=GeneratorConfig().dropout)
    assert (kept.cell, kept.dropout, kept.tie_weights) == ("gru", GeneratorConfig().dropout, True)


def test_likely_texts_score_higher(model):
    likely, odd, empty = model.score_samples(["the dogs bark", "the dogs sing", ""])
    assert likely > odd
    assert likely < 0
    assert np.isfinite(empty)
    assert model.score(["the dogs bark", "the dogs sing"]) == pytest.approx((likely + odd) / 2)


def test_samples_are_of_the_seed(model):
    first = model.sample(4, seed=1)
    assert first == model.sample(4, seed=1) != model.sample(4, seed=2)
    assert model.sample(2, seed=1) == first[:2]
    assert all(text.startswith("the c") for text in model.sample(3, prompt="the c"))
    assert model.sample(prompt="the d", temperature=0.01) == ["the dogs bark"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"n_samples": 0}, "expected at least one text to write, found 0"),
        ({"seed": -1}, "expected a seed from 0, found -1"),
        ({"temperature": -1}, "temperature: expected a value greater than or equal to 0, found -1"),
        ({"prompt": None}, "expected a text, found None"),
    ],
)
def test_samples_that_cannot_be(model, asked, words):
    with pytest.raises(UsageError, match=words):
        model.sample(**asked)


def test_only_texts_are_completed_and_scored(model):
    with pytest.raises(UsageError, match="expected a text, found 3"):
        model.complete(3)
    with pytest.raises(UsageError, match="expected a text, found None"):
        model.model_.score(["the", None])


def test_what_was_saved_is_measured_on_the_lines_of_a_file(model, tmp_path, capfd):
    model.save(tmp_path / "model")
    (tmp_path / "lines.txt").write_text("the dogs bark\n\nthe cats sing\n")
    assert main(["evaluate", str(tmp_path / "model"), str(tmp_path / "lines.txt"), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["sequences"] == 2
    total = model.score_samples(["the dogs bark", "the cats sing"]).sum()
    assert found["nll"] * found["tokens"] == pytest.approx(-total, rel=1e-5)


def test_completions_have_probabilities(model):
    [(word, probability), *_] = model.complete("the ca")
    assert word == "ts"
    assert 0.3 < probability <= 1


def test_it_is_cloned_pickled_saved_and_searched(model, tmp_path):
    again = pickle.loads(pickle.dumps(model))
    assert again.score(TEXTS) == model.score(TEXTS)
    assert not hasattr(clone(model), "model_")
    model.save(tmp_path / "m")
    assert tt.load(tmp_path / "m").score(["the dogs bark"])[0].log_probability == pytest.approx(
        model.score_samples(["the dogs bark"])[0]
    )
    small = tt.SequenceGenerator(**SMALL, epochs=2)
    assert cross_val_score(small, TEXTS, cv=2).shape == (2,)
    assert GridSearchCV(small, {"hidden_size": [4, 8]}, cv=2).fit(TEXTS).best_params_["hidden_size"] in (4, 8)


def test_a_warm_start_goes_on(model):
    warm = tt.SequenceGenerator(**SMALL, epochs=2, warm_start=True).fit(TEXTS)
    before = warm.score(TEXTS)
    assert warm.set_params(epochs=4).fit(TEXTS).score(TEXTS) > before
    free = {"dropout": 0.1, "weight_drop": 0.1, "softmax": "bfloat16", "ar": 1.0, "tar": 1.0, "chunk": 9}
    warm.set_params(epochs=1, **free).fit(TEXTS)
    with pytest.raises(UsageError, match="hidden_size"):
        warm.set_params(hidden_size=5).fit(TEXTS)


@pytest.mark.parametrize(
    ("texts", "error", "words"),
    [
        ("one text", UsageError, "put it in a list"),
        ([], ValueError, "found none"),
        (["a", 3], ValueError, "found 3 in row 1"),
        (5, ValueError, "found int"),
        ({"a": 1}, ValueError, "found dict"),
    ],
)
def test_what_is_no_list_of_texts(texts, error, words):
    with pytest.raises(error, match=words):
        tt.SequenceGenerator(**SMALL, epochs=1).fit(texts)
