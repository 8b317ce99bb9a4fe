"""``throughtime train translate`` and its models as a person uses them, and misuses them."""

from __future__ import annotations

import io
import json
import random
import sys

import pytest

import throughtime as tt
from throughtime.cli.main import main
from throughtime.decode.beam import BeamConfig
from throughtime.errors import UsageError

QUICK = ["--hidden-size", "32", "--embedding-size", "16", "--dropout", "0", "--label-smoothing", "0", "--lr", "0.02"]
KEYS = {"bleu", "bleu_lc", "chrf", "bleu_signature", "wer", "cer", "ter", "exact", "pairs", "nll"}


def words(count, seed):
    """Made-up words."""
    draw = random.Random(seed)
    return ["".join(draw.choices("abcde", k=draw.randrange(1, 4))) for _ in range(count)]


@pytest.fixture(scope="session")
def turned(tmp_path_factory):
    """A folder with ``train.tsv`` and ``more.tsv``, words and the same turned round, and ``model/`` learnt from one."""
    folder = tmp_path_factory.mktemp("turned")
    for name, count, seed in (("train", 400, 0), ("more", 60, 1)):
        rows = (f"{word}\t{word[::-1]}\n" for word in words(count, seed))
        (folder / f"{name}.tsv").write_text("".join(rows))
    said = ["train", "translate", folder / "train.tsv", "--out", folder / "model", "--quiet", "--epochs", "16", *QUICK]
    assert main([str(word) for word in said]) == 0
    return folder


@pytest.fixture
def stdin(monkeypatch):
    """Put bytes on standard input."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_turning_words_round_is_learnt(run, turned):
    told = json.loads(run("evaluate", turned / "model", turned / "more.tsv", "--json").out)
    assert told.keys() >= KEYS
    assert told["pairs"] == 60
    assert told["exact"] >= 0.9
    assert told["ter"] < 0.1


def test_a_beam_of_one_is_what_training_measures(run, turned):
    told = json.loads(run("evaluate", turned / "model", turned / "more.tsv", "--json", "--beam", "1").out)
    model = tt.load(turned / "model")
    rows = [line.split("\t") for line in (turned / "more.tsv").read_text().splitlines()]
    right = [
        answer == target
        for (_, target), answer in zip(rows, model.predict([s for s, _ in rows], BeamConfig(beam=1)), strict=True)
    ]
    assert told["exact"] == sum(right) / 60


def test_a_table_shows_it(run, turned):
    result = run("evaluate", turned / "model", turned / "more.tsv")
    assert "wholly right" in result.out
    assert "60" in result.out


def test_answers_are_written_beside_their_sources(run, turned, tmp_path):
    (tmp_path / "new.tsv").write_text("abc\nbe\n")
    out = tmp_path / "out.csv"
    result = run("predict", turned / "model", tmp_path / "new.tsv", "--out", out, "--n-best", "2")
    assert result.code == 0
    head, first, second = out.read_text().splitlines()
    assert head == "source,prediction,score,prediction_2,score_2"
    assert first.startswith("abc,cba,")
    assert second.startswith("be,eb,")
    assert float(first.split(",")[2]) > float(first.split(",")[4])
    assert "2 sources answered" in result.err


def test_lines_are_answered_with_lines(run, turned, stdin):
    stdin(b"abc\n\nda\n")
    result = run("translate", turned / "model")
    assert result.out == "cba\n\nad\n"
    stdin("aäb\n".encode())
    result = run("predict", turned / "model", "-", "--n-best", "2")
    assert len(result.out.split("\t")) == 4
    assert 'line 1: not known to the model: "ä"' in result.err


def test_answers_on_screen_are_lines(run, turned, tmp_path):
    (tmp_path / "new.tsv").write_text("abc\nñb\n")
    result = run("predict", turned / "model", tmp_path / "new.tsv")
    assert result.out.splitlines()[0] == "cba"
    assert len(result.out.splitlines()) == 2
    assert "1 source has symbols that the model does not know" in result.err
    assert "line 2" in result.err


def test_parallel_files_are_told_by_what_their_names_begin_with(run, tmp_path):
    for name, count, seed in (("train", 60, 0), ("val", 20, 1)):
        given = words(count, seed)
        (tmp_path / f"{name}.in").write_text("".join(f"{word} {word}\n" for word in given))
        (tmp_path / f"{name}.out").write_text("".join(f"{word[::-1]}\n" for word in given))
    model = tmp_path / "model"
    sides = ["--source", "in", "--target", "out", "--source-tokens", "word", "--input-feeding"]
    result = run(
        "train",
        "translate",
        tmp_path / "train",
        *sides,
        "--valid",
        tmp_path / "val",
        "--out",
        model,
        "--epochs",
        "1",
        *QUICK,
    )
    assert result.code == 0, result.err
    config = json.loads((model / "config.json").read_text())
    assert (config["vocabulary"]["source_tokens"], config["vocabulary"]["target_tokens"]) == ("word", "char")
    assert json.loads(run("evaluate", model, tmp_path / "val", "--json").out)["pairs"] == 20
    (tmp_path / "plain.txt").write_text("abc abc\n\nab ab\n")
    lines = run("predict", model, tmp_path / "plain.txt").out.splitlines()
    assert len(lines) == 3
    assert lines[1] == ""
    with (tmp_path / "val.out").open("a") as file:
        file.write("more\n")
    unequal = run("evaluate", model, tmp_path / "val")
    assert unequal.code == 2
    assert "expected files of equally many lines, found 20 in" in unequal.err


def test_several_right_answers_are_understood(run, turned, tmp_path):
    path = tmp_path / "words.dict"
    path.write_text(
        "".join(f"{w} {' '.join(w.upper())}\n{w}(2) {' '.join(w[::-1].upper())}\n" for w in sorted(set(words(80, 2))))
    )
    model = tmp_path / "model"
    result = run("train", "translate", path, "--out", model, "--epochs", "2", *QUICK)
    assert result.code == 0, result.err
    config = json.loads((model / "config.json").read_text())
    assert (config["vocabulary"]["source_tokens"], config["vocabulary"]["target_tokens"]) == ("char", "blanks")
    assert json.loads(run("evaluate", model, path, "--json").out)["pairs"] == len(set(words(80, 2)))


def test_the_folder_tells_about_itself(run, turned):
    model = turned / "model"
    assert "characters to characters" in run("inspect", model).out
    assert run("verify", model, "--rows", "20").code == 0
    card = (model / "README.md").read_text()
    assert "throughtime translate DIR" in card
    assert "wholly right" in card
    page = (model / "report.html").read_text()
    assert "Some answers" in page
    assert "Where it looks" in page
    assert "answers are" in page or "The worst answers" in page


def test_where_it_looks_is_shown(run, turned):
    result = run("inspect", turned / "model", "abc")
    assert result.out.splitlines()[0] == "cba"
    assert result.out.splitlines()[2].split() == ["a", "b", "c", "(end)"]
    assert [line.split(" ")[0] for line in result.out.splitlines()[3:]] == ["c", "b", "a", "(end)"]
    told = json.loads(run("inspect", turned / "model", "abc", "--json").out)
    assert [len(row) for row in told["weights"]] == [4] * 4
    assert [sum(row) for row in told["weights"]] == pytest.approx([1] * 4, abs=1e-5)
    refused = run("inspect", turned / "model", " ")
    assert refused.code == 2
    assert "expected a text to answer, found an empty one" in refused.err


def test_a_model_answers_in_python(turned):
    model = tt.load(turned / "model")
    assert model.predict(["abc", "", " "]) == ["cba", "", ""]
    (found,) = model.translate(["ab"], n_best=3)
    assert [own.score for own in found] == sorted((own.score for own in found), reverse=True)
    assert len({own.text for own in found}) == 3
    with pytest.raises(UsageError, match="expected a list of texts"):
        model.translate("abc")
    with pytest.raises(UsageError, match="expected from 1 to 5 answers"):
        model.translate(["abc"], n_best=6)


def test_a_long_source_and_a_strange_one_are_answered(run, turned, stdin):
    stdin(("abcde" * 300 + "\nПривет\n").encode())
    result = run("translate", turned / "model", "--max-length", "40", "--quiet")
    assert result.code == 0
    assert len(result.out.splitlines()) == 2
    assert len(result.out.splitlines()[0]) <= 40
    assert result.err == ""


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--beam", "0"], "--beam: expected a value greater than or equal to 1, found 0"),
        (["--n-best", "3", "--beam", "2"], "--n-best: expected at most the beam's 2, found 3"),
    ],
)
def test_searches_that_cannot_be_are_refused(run, turned, flags, words):
    result = run("predict", turned / "model", turned / "more.tsv", *flags)
    assert result.code == 2
    assert words in result.err


def test_other_models_do_not_search(run, trained):
    result = run("evaluate", trained / "model", trained / "more.csv", "--beam", "3")
    assert result.code == 2
    assert "--beam: expected a model that answers with texts" in result.err
    result = run("translate", trained / "model")
    assert result.code == 2
    assert "expected a model that answers with texts" in result.err


def test_a_killed_run_goes_on_only_alike(run, turned, tmp_path):
    said = ["train", "translate", turned / "train.tsv", "--out", turned / "model", "--epochs", "16", *QUICK]
    assert "the run is finished" in run(*said, "--resume").err


def test_what_is_looked_at_is_copied(run, turned, tmp_path):
    """From a text whose symbols are the target's; and attention knows where it has looked."""
    out = tmp_path / "copier"
    said = ["--copying", "--coverage", "--joint", "--tokens", "char", "--epochs", "10", *QUICK]
    run("train", "translate", turned / "train.tsv", "--out", out, "--quiet", *said)
    told = json.loads(run("evaluate", out, turned / "more.tsv", "--json").out)
    assert told["exact"] >= 0.6
    assert run("verify", out).code == 0
    assert "knows where it has looked and copies what it looks at" in (out / "README.md").read_text()
    assert tt.load(out).look("abc").weights.sum(1) == pytest.approx(1, abs=1e-5)
    refused = ["--copying", "--softmax", "bfloat16", "--out", tmp_path / "none"]
    result = run("train", "translate", turned / "train.tsv", *refused)
    assert result.code == 2
    assert "expected no --copying" in result.err
