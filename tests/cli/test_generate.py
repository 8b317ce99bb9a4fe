"""``throughtime train generate`` and what its models do, as a person uses them, and misuses them."""

import gzip
import io
import json
import math
import random
import shutil

import pytest

import throughtime as tt
from throughtime.cli.main import main
from throughtime.model import LanguageModel

SMALL = ["--hidden-size", "24", "--embedding-size", "8", "--lr", "0.02", "--batch-size", "4", "--chunk", "16"]
SMALL += [
    "--dropout",
    "0",
    "--input-dropout",
    "0",
    "--embedding-dropout",
    "0",
    "--weight-drop",
    "0",
    "--average",
    "0.9",
]
KEYS = {"nll", "perplexity", "bits_per_character", "tokens", "sequences", "loss"}


def story(sentences, seed=0):
    """Sentences that two words decide."""
    draw = random.Random(seed)
    ways = {"dogs": "bark", "cats": "sleep", "birds": "sing"}
    animals = [draw.choice(sorted(ways)) for _ in range(sentences)]
    return "".join(f"The {animal} {ways[animal]}.\n" for animal in animals)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """A folder with texts and the models ``char``, ``word``, ``bpe`` and ``line`` learnt from one of them."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "story.txt").write_text(story(150))
    (folder / "more.txt").write_text(story(40, 1))
    for name, options in {
        "char": ["--epochs", "25"],
        "word": ["--tokens", "word", "--epochs", "20"],
        "bpe": ["--tokens", "bpe", "--cell", "gru", "--no-tie-weights", "--epochs", "30"],
        "line": ["--by", "line", "--epochs", "25", "--test", "0.1"],
    }.items():
        words = ["train", "generate", folder / "story.txt", "--out", folder / name, "--quiet", *SMALL, *options]
        assert main([str(word) for word in words]) == 0
    return folder


def test_the_run_says_what_it_did_and_what_to_do_next(run, library, tmp_path):
    code, _, err = run("train", "generate", library / "story.txt", "--out", tmp_path / "m", *SMALL, "--epochs", "1")
    assert code == 0
    text = (library / "story.txt").read_text()
    held = len(text) - len(text) * 9 // 10
    assert f"{len(text):,} characters, read as text" in err
    assert f"{len(text) - held:,} to learn from, {held:,} to choose by" in err
    assert "guessing by frequency alone costs" in err
    for word in ("generate", "complete", "score", "evaluate", "inspect"):
        assert f"throughtime {word} {tmp_path / 'm'}" in err
    assert "throughtime generate DIR --prompt TEXT" in (tmp_path / "m" / "README.md").read_text()
    assert "nats a character" in (tmp_path / "m" / "report.html").read_text().lower()
    [record] = map(json.loads, (tmp_path / "m" / "metrics.jsonl").read_text().splitlines())
    assert " ".join(record["sample"].split())[:40] in err


@pytest.mark.parametrize("name", ["char", "word", "bpe", "line"])
def test_what_was_learnt_is_told_and_written(run, library, name):
    code, out, _ = run("evaluate", library / name, library / "more.txt", "--json")
    assert code == 0
    found = json.loads(out)
    assert set(found) >= KEYS
    assert found["perplexity"] == pytest.approx(math.exp(found["nll"]), rel=1e-6)
    text = (library / "more.txt").read_text()
    ends = 0 if name == "line" else 1  # a line's end is one of the file's characters
    bits = found["nll"] / math.log(2) * found["tokens"] / (len(text) + ends)
    assert found["bits_per_character"] == pytest.approx(bits, rel=1e-4)
    assert found["bits_per_character"] < 0.9
    assert found["sequences"] == (40 if name == "line" else 1)
    code, out, _ = run("generate", library / name, "--prompt", "The dogs", "--length", "30", "--temperature", "0")
    assert code == 0
    assert out.startswith("The dogs bark.")


def test_the_same_seed_writes_the_same_text(run, library):
    words = ["generate", library / "char", "--length", "80", "--temperature", "1.3"]
    first, same, other = (run(*words, "--seed", seed).out for seed in (1, 1, 2))
    assert first == same != other
    several = json.loads(run(*words, "--samples", "3", "--json").out)
    assert len(set(several["texts"])) == 3
    assert several["texts"][0] + "\n" == first


def test_a_text_of_blanks_is_named(run, tmp_path):
    (tmp_path / "blank.txt").write_text(" \n" * 20)
    code, _, err = run("train", "generate", tmp_path / "blank.txt", "--out", tmp_path / "m", "--quiet")
    assert (code, err) == (2, f"throughtime: {tmp_path / 'blank.txt'}: expected text, found only blanks\n")
    assert not (tmp_path / "m").exists()


def test_special_symbols_are_never_written(library):
    model = tt.load(library / "word")
    texts = model.generate(length=200, samples=5, seed=3)
    assert not any(mark in text for text in texts for mark in ("<unk>", "<pad>", "<sos>", "<eos>"))


def test_letters_not_learnt_are_said(run, library):
    code, out, err = run("generate", library / "char", "--prompt", "Ω?", "--length", "5")
    assert code == 0
    assert "found '?', 'Ω': read as unknown" in err
    assert out.startswith("Ω?")
    assert "found 2 others" in run("generate", library / "word", "--prompt", "Ωmega foo", "--length", "2").err


def type_in(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))


def test_a_prompt_from_standard_input(run, library, monkeypatch):
    words = ("generate", library / "char", "--prompt", "-", "--temperature", "0", "--length", "12")

    def typed(data):
        type_in(monkeypatch, data)

    typed(b"The cats")
    assert run(*words).out.startswith("The cats sleep")
    typed("The cats".encode("utf-16"))
    assert run(*words, "--encoding", "utf-16").out.startswith("The cats sleep")
    typed(b"The\ncat\xff")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("throughtime: standard input, line 2: expected utf-8 text, found the byte 0xFF at byte 7")


@pytest.mark.parametrize("name", ["char", "word", "bpe", "line"])
def test_words_are_completed(run, library, monkeypatch, name):
    monkeypatch.setattr("sys.stdin", type("In", (), {"buffer": io.BytesIO(b"The do\nThe cats \n"), "isatty": bool})())
    code, out, _ = run("complete", library / name, "--count", "3")
    assert code == 0
    first, second = ([*line.split("\t")] for line in out.splitlines())
    assert first[0] == "gs"
    assert second[0] == "sleep"
    assert 0.3 < float(second[1]) <= 1
    assert len(second) <= 6


@pytest.mark.parametrize("name", ["char", "word", "line"])
def test_lines_are_scored(run, library, tmp_path, name):
    (tmp_path / "lines.txt").write_text("The dogs bark.\nThe dogs sing.\nbark The dogs.\n")
    code, out, err = run("score", library / name, tmp_path / "lines.txt")
    assert code == 0
    head, *rows = [line.split("\t") for line in out.splitlines()]
    assert head == ["log_probability", "bits_per_character", "perplexity", "text"]
    right, wrong, mixed = (float(row[0]) for row in rows)
    assert right > wrong > mixed
    assert "3 lines: log probability" in err
    found = json.loads(run("score", library / name, tmp_path / "lines.txt", "--json").out)
    assert [line["log_probability"] for line in found["lines"]] == pytest.approx([right, wrong, mixed], abs=1e-3)
    assert found["all"]["log_probability"] == pytest.approx(right + wrong + mixed, abs=1e-3)


@pytest.mark.parametrize("name", ["char", "line"])
def test_a_text_on_standard_input_is_measured(run, library, monkeypatch, name):
    type_in(monkeypatch, (library / "more.txt").read_bytes())
    measured = run("evaluate", library / name, "-", "--json")
    assert measured.out == run("evaluate", library / name, library / "more.txt", "--json").out


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_lines_of_standard_input_in_wide_characters(run, library, monkeypatch, encoding):
    """A newline's byte is no end of a line where characters have several."""
    for words in (["score", library / "char", "-"], ["complete", library / "char"]):
        type_in(monkeypatch, b"The dogs\nba\r\nbirds")
        plain = run(*words)
        type_in(monkeypatch, "The dogs\nba\r\nbirds".encode(encoding))
        assert run(*words, "--encoding", encoding) == plain
        assert plain.code == 0
        assert len(plain.out.splitlines()) >= 3


def test_lines_before_one_that_is_no_text_are_answered(run, library, monkeypatch):
    type_in(monkeypatch, "The dogs\nba\nx".encode("utf-16-be") + b"\xdc\x00\0a")
    code, out, err = run("complete", library / "char", "--encoding", "utf-16-be")
    assert (code, len(out.splitlines())) == (2, 2)
    assert "standard input, line 3: expected utf-16-be, found byte 0xDC" in err


def test_a_score_is_the_sum_over_the_symbols(library):
    model = tt.load(library / "line")
    assert isinstance(model, LanguageModel)
    [scored] = model.score(["The dogs bark."])
    assert scored.tokens == len("The dogs bark.") + 1
    metrics = model.task.evaluate(model.batches(model.read(["The dogs bark."])))
    assert -scored.log_probability / scored.tokens == pytest.approx(metrics["nll"], rel=1e-5)


def test_lines_are_held_out_by_the_seed_and_text_by_its_end(run, library, tmp_path):
    config = json.loads((library / "line" / "config.json").read_text())
    assert [config["data"][part]["rows"] for part in ("train", "valid", "test")] == [121, 14, 15]
    assert config["data"]["source"]["by"] == "line"


def test_a_folder_and_gzipped_texts(run, library, tmp_path):
    books = tmp_path / "books"
    books.mkdir()
    (books / "a.txt").write_text(story(30, 2))
    with gzip.open(books / "b.txt.gz", "wt") as file:
        file.write(story(30, 3))
    code, _, err = run(
        "train", "generate", books, "--valid", library / "more.txt", "--out", tmp_path / "m", *SMALL, "--epochs", "1"
    )
    assert code == 0, err
    assert f"{len(story(30, 2) + story(30, 3)):,} characters" in err


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", [], "empty"),
        ("  \n\n", [], "expected"),
        ("abc", ["--by", "line", "--valid", "0.5"], "text.txt: expected two rows or more"),
        ("a", [], "expected text enough to part, found 1 character in "),
        ("fine text\n", ["--valid", "none.txt"], "none.txt"),
        ("fine text\n", ["--tokens", "bpe", "--vocab-size", "20"], "vocab_size of 260 or more"),
        ("a text a text\n", ["--tokens", "word", "--vocab-size", "6"], "vocab_size of 7 or more, which holds a word"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(run, tmp_path, content, options, words):
    (tmp_path / "text.txt").write_text(content)
    code, out, err = run("train", "generate", tmp_path / "text.txt", "--out", tmp_path / "m", *options, "--quiet")
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
    assert not out
    assert not (tmp_path / "m").exists()


def test_one_character_can_be_learnt_from(run, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    code, _, err = run(
        "train", "generate", tmp_path / "a.txt", "--valid", "0", "--out", tmp_path / "m", *SMALL, "--epochs", "2"
    )
    assert code == 0, err
    assert run("generate", tmp_path / "m", "--length", "3", "--temperature", "0").code == 0


def test_bad_bytes_are_named_with_their_line(run, tmp_path):
    (tmp_path / "text.txt").write_bytes(b"fine\nnot \xff fine\n")
    code, _, err = run("train", "generate", tmp_path / "text.txt", "--out", tmp_path / "m")
    assert code == 2
    assert "line 2" in err
    assert "0xFF" in err


def test_other_models_do_not_write_and_this_one_does_not_predict(run, library, trained):
    code, _, err = run("generate", trained / "model")
    assert code == 2
    assert "expected a language model" in err
    code, _, err = run("predict", library / "char", library / "more.txt")
    assert code == 2
    assert "use throughtime generate" in err


@pytest.mark.parametrize(
    "words",
    [
        ["--endless", "--samples", "2"],
        ["--endless", "--json"],
        ["--endless", "--length", "9"],
        ["--seed", "-1"],
        ["--top-p", "2"],
    ],
)
def test_wishes_that_do_not_fit(run, library, words):
    code, _, err = run("generate", library / "char", *words)
    assert code == 2
    assert err.startswith("throughtime: --")


def test_a_long_text_takes_no_more_memory(library):
    model = tt.load(library / "char")
    pieces = model.go_on("The", None, seed=1)
    assert len("".join(piece for _, piece in (next(pieces) for _ in range(3000)))) >= 3000


def test_a_killed_run_goes_on(run, library, tmp_path):
    words = ["train", "generate", library / "story.txt", *SMALL, "--epochs", "3", "--checkpoint-seconds", "0"]
    assert run(*words, "--out", tmp_path / "whole").code == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    assert "nothing is left to do" in run(*words, "--out", tmp_path / "again", "--resume").err
    assert "expected the train data" in _other(run, words, library, tmp_path)
    said = run(*words, "--by", "line", "--out", tmp_path / "again", "--resume").err
    assert "--by: expected text, as the run began with, found line" in said  # and not that the file has changed


def _other(run, words, library, tmp_path):
    """What is said when another text is to go on with an unfinished run."""
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    (tmp_path / "again" / "config.json").write_text(json.dumps(config | {"files": {}}))
    words = [library / "more.txt" if word == library / "story.txt" else word for word in words]
    return run(*words, "--out", tmp_path / "again", "--resume").err


def test_answers_do_not_hang_on_the_batch(run, library):
    code, out, _ = run("verify", library / "char", "--rows", "20", "--json")
    assert code == 0
    assert json.loads(out)["largest"] <= 1e-6


def test_the_model_is_shown(run, library):
    out = run("inspect", library / "word").out
    assert "what comes next" in out
    assert "words" in out
