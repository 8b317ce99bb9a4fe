"""Data too large for memory trains to the same model, and starts at once the next time."""

import pytest

from tests.cli.conftest import SMALL
from throughtime.data import corpus


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
