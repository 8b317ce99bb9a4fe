"""Data too large for memory trains to the same model, and starts at once the next time."""

import json

import pytest

from tests.cli.conftest import SMALL
from throughtime.data import corpus
from throughtime.data.language import LanguageVocabulary
from throughtime.errors import TrainingError
from throughtime.train import loop


@pytest.fixture
def train(run, reviews_file, tmp_path, monkeypatch):
    def train(out, *words, large=True, task="classify"):
        monkeypatch.setattr(corpus, "IN_MEMORY", 500 if large else 1 << 24)
        options = ["--test", "0.2", "--cache", tmp_path / "cache", "--epochs", 2, *words]
        return run("train", task, reviews_file, *SMALL, *options, "--out", tmp_path / out)

    return train


@pytest.mark.parametrize("words", [["--max-length", "3"], ["--tokens", "char"]])
def test_the_same_weights_from_memory_and_from_disk(train, tmp_path, words):
    results = [train("a", *words, large=False), train("b", *words), train("c", *words)]
    assert [result.code for result in results] == [0, 0, 0]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] == weights[2]
    assert [(tmp_path / name / "labels.json").read_text() for name in "abc"].count('[\n  "bad",\n  "good"\n]\n') == 3
    told = ["kept ready in" in result.err for result in results], ["have not changed" in r.err for r in results]
    assert told == ([False, True, False], [False, False, True])
    cut = [line for line in results[0].err.splitlines() if "tokens unknown" in line or "were cut" in line]
    assert all(line in result.err for line in cut for result in results)


def test_other_words_need_no_reading_but_other_symbols(train, tmp_path):
    train("a")
    (entry,) = (tmp_path / "cache").iterdir()
    train("b", "--tokens", "char", "--epochs", 1)
    train("c", "--hidden-size", "9", "--epochs", 1)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [entry.name]
    assert len(list(entry.glob("parts-*/symbols-*"))) == 2


def test_strict_refuses_what_was_found_before(train, reviews_file):
    reviews_file.write_text(reviews_file.read_text() + "good,the same text\n" * 12)
    assert "repeat an earlier text and label" in train("a").err
    again = train("b", "--strict")
    assert again.code != 0
    assert "repeat an earlier text and label" in again.err


@pytest.mark.parametrize("name", ["valid.symbols", "tokenizer.json"])
def test_damaged_symbols_are_made_again(train, tmp_path, name):
    assert train("a").code == 0
    (damaged,) = (tmp_path / "cache").rglob(name)
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert train("b").code == 0
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"}) == 1


def test_a_cache_that_cannot_be_written(train, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert train("small", large=False).code == 0
    result = train("a")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert "--cache DIR says another place" in result.err


# ---- running text ----

STORY = "".join(f"The {animal} {way}.\n" for animal, way in [("dogs", "bark"), ("cats", "sleep")] * 40)


@pytest.fixture
def read(run, tmp_path, monkeypatch):
    """Train on running text, in memory or in the cache."""
    (tmp_path / "story.txt").write_text(STORY)
    small = ["--hidden-size", 12, "--embedding-size", 8, "--batch-size", 4, "--chunk", 16, "--lr", 0.02, "--epochs", 2]

    def train(out, *words, large=True):
        monkeypatch.setattr(corpus, "IN_MEMORY", 500 if large else 1 << 24)
        options = ["--test", "0.1", "--cache", tmp_path / "cache", *small, *words]
        return run("train", "generate", tmp_path / "story.txt", *options, "--out", tmp_path / out)

    return train


@pytest.mark.parametrize("words", [[], ["--tokens", "word", "--random-chunks"], ["--by", "line"]])
def test_the_same_language_model_from_memory_and_from_disk(read, tmp_path, words):
    results = [read("a", *words, large=False), read("b", *words), read("c", *words)]
    assert [result.code for result in results] == [0, 0, 0]
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in "abc"}) == 1
    found = [json.loads((tmp_path / name / "config.json").read_text())["result"] for name in "abc"]
    assert found[0]["valid"] == found[1]["valid"] == found[2]["valid"]
    assert found[0]["test"] == found[1]["test"] == found[2]["test"]
    told = ["kept ready in" in result.err for result in results], ["have not changed" in r.err for r in results]
    assert told == ([False, True, False], [False, False, True])


def test_a_language_model_of_a_large_text_goes_on(read, tmp_path, monkeypatch):
    assert read("whole", "--checkpoint-seconds", 0, large=False).code == 0
    steps = loop.train_steps

    def killed(*arguments):
        for number, step in enumerate(steps(*arguments)):
            if number == 9:
                raise TrainingError("killed")
            yield step

    monkeypatch.setattr("throughtime.train.run.train_steps", killed)
    assert read("m", "--checkpoint-seconds", 0).code == 1
    monkeypatch.setattr("throughtime.train.run.train_steps", steps)
    monkeypatch.setattr(LanguageVocabulary, "learn", None)  # what was kept is found
    assert read("m", "--checkpoint-seconds", 0, "--resume").code == 0
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in ("m", "whole")}) == 1


def test_damaged_symbols_of_a_text_are_made_again(read, tmp_path):
    assert read("a").code == 0
    (damaged,) = (tmp_path / "cache").rglob("train.symbols")
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert read("b").code == 0
    assert len({(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"}) == 1


def test_a_large_text_is_evaluated(read, run, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert read("m", large=False).code == 0
    words = ["evaluate", tmp_path / "m", tmp_path / "story.txt", "--json"]
    held = run(*words).out
    monkeypatch.setattr(corpus, "IN_MEMORY", 500)
    assert run(*words).out == held
    assert list((tmp_path / "own" / "throughtime").iterdir()) == []
