"""From examples to a folder: what is kept of the outputs, and what is written down of the machine."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import fields

import numpy as np
import pytest

from tests.conftest import reviews
from throughtime.data.columns import Example
from throughtime.data.language import LanguageConfig
from throughtime.data.lexicon import LexiconConfig
from throughtime.data.readers.conll import read_conll
from throughtime.data.running import RunningText
from throughtime.errors import UsageError
from throughtime.fit import Splits, fit, learn
from throughtime.model import ModelConfig, RunConfig
from throughtime.tasks import Classifier, ClassifierConfig, GeneratorConfig, LabelerConfig, RaterConfig
from throughtime.train.config import TrainConfig

NETWORKS = {
    "classify": ClassifierConfig(hidden_size=3, embedding_size=3, calibrate=True),
    "rate": RaterConfig(hidden_size=3, embedding_size=3),
}


@pytest.fixture
def fitted(tmp_path):
    def go(task):
        grades = {"good": "3", "bad": "1"} if task == "rate" else {}
        rows = [Example(text, grades.get(label, label), "x.csv", n) for n, (label, text) in enumerate(reviews(60), 1)]
        config = ModelConfig(task=task, network=NETWORKS[task], run=RunConfig(threads=1))
        return fit(Splits(rows[:30], rows[30:45], rows[45:]), config, TrainConfig(epochs=1), tmp_path / "model")

    return go


@pytest.mark.parametrize("task", NETWORKS)
def test_of_a_text_single_numbers_are_kept(fitted, task):
    for answered in fitted(task).evidence.answered.values():
        kept = [getattr(part, field.name) for part in (answered, answered.chances) for field in fields(part)]
        arrays = [own for own in kept if isinstance(own, np.ndarray)]
        assert [own.shape for own in arrays] == [(15,)] * (7 if task == "classify" else 6)
        assert all(own.base is None for own in arrays)  # no part of a table


def test_outputs_of_one_part_are_gone_before_the_next_is_examined(fitted, monkeypatch):
    examine, seen = Classifier.examine, []

    def watched(task, batches):
        gc.collect()
        assert all(outputs() is None for outputs in seen)
        outputs, targets = examine(task, batches)
        seen.append(weakref.ref(outputs))
        return outputs, targets

    monkeypatch.setattr(Classifier, "examine", watched)
    fitted("classify")
    assert len(seen) > 2  # in training, then validation, then test


def test_what_it_was_trained_with_is_written_when_it_is_trained(fitted, tmp_path):
    fitted("classify")
    made_with = json.loads((tmp_path / "model" / "config.json").read_text())["environment"]
    assert made_with["threads"] == "1"
    assert {"python", "torch", "numpy", "tokenizers", "platform"} <= set(made_with)
    report = (tmp_path / "model" / "report.html").read_text()
    assert made_with["tokenizers"] in report
    assert made_with["platform"] in report


@pytest.fixture
def tagged(tmp_path):
    path = tmp_path / "words.conll"
    path.write_text("the D\ndogs N\nbark V\n\na D\ndog N\nbarks V\n\n" * 12, encoding="utf-8")
    rows = list(read_conll(path))
    network = LabelerConfig(hidden_size=3, embedding_size=3, character_size=2, character_hidden=2)
    config = ModelConfig(task="label", network=network, vocabulary=LexiconConfig(), run=RunConfig(threads=1))
    return Splits(rows[:12], rows[12:18], rows[18:]), config


def test_of_a_word_single_numbers_are_kept_and_its_sentence_is_not_copied(tagged, tmp_path):
    splits, config = tagged
    found = fit(splits, config, TrainConfig(epochs=1), tmp_path / "model")
    for name, part in found.evidence.labelled.items():
        assert part.sentences is getattr(splits, name)
        assert [len(own) for own in (part.labels, part.told, part.counts, part.losses)] == [18, 18, 18, 6]
        assert part.right.mean() == pytest.approx(getattr(found, name)["accuracy"])
    assert list(found.evidence.labelled) == ["valid", "test"]
    assert {name: len(own) for name, own in found.evidence.lengths.items()} == {"train": 12, "valid": 6, "test": 6}


def test_of_labels_too_it_measures_how_far_back_it_reaches(tagged, tmp_path):
    splits, config = tagged
    found = fit(splits, config, TrainConfig(epochs=1), tmp_path / "model")
    for reach in (found.reach_before, found.reach_after):
        assert [layer.name for layer in reach.layers] == ["layer 1", "layer 1, backwards"]
        assert reach.per_step
    assert found.reach_after.sentence() in (tmp_path / "model" / "report.html").read_text()


@pytest.mark.parametrize(("by", "tokens"), [("text", "char"), ("line", "char"), ("line", "word")])
def test_of_language_models_it_measures_each_layer(by, tokens, tmp_path):
    lines = [f"the {animal} sleeps on the {place}" for animal in ("cat", "dog") for place in ("mat", "bed")] * 10
    (tmp_path / "a.txt").write_text("\n".join(lines))
    text = RunningText.open(tmp_path / "a.txt") if by == "text" else [Example(line, None, "a", 1) for line in lines]
    network = GeneratorConfig(hidden_size=8, embedding_size=4, num_layers=2, chunk=20)
    config = ModelConfig(task="generate", vocabulary=LanguageConfig(tokens=tokens, min_count=1), network=network)
    found = fit(Splits(text), config, TrainConfig(epochs=1), tmp_path / "model")
    token = found.model.task.targets.token
    for reach in (found.reach_before, found.reach_after):
        assert [layer.name for layer in reach.layers] == ["layer 1", "layer 2"]
        assert (reach.per_step, reach.step, reach.chunk) == (True, token, 20 if by == "text" else 0)
    assert f"{token}s back" in found.reach_after.sentence()
    assert by == "text" or "Half of the lines" in found.reach_after.sentence()
    assert found.reach_after.sentence() in (tmp_path / "model" / "report.html").read_text()


def test_without_a_folder_nothing_is_kept_of_single_words(tagged):
    found = learn(*tagged, TrainConfig(epochs=1))
    assert not found.evidence.labelled
    assert found.valid["tokens"] == 18


@pytest.mark.parametrize("wish", ["patience", "average_after"])
def test_what_waits_for_a_better_score_needs_validation_data(tagged, wish):
    splits, config = tagged
    with pytest.raises(
        UsageError, match=f"--{wish.replace('_', '-')}: expected validation data to judge by, found none"
    ):
        learn(Splits(splits.train), config, TrainConfig(epochs=1, **{wish: 2}))
