"""``throughtime train translate`` and its models as a person uses them, and misuses them."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import select
import subprocess
import sys
import time

import pytest
import torch

import throughtime as tt
from tests.conftest import ROOT
from throughtime.cli import train
from throughtime.cli.main import main
from throughtime.cli.progress import ProgressScreen
from throughtime.data.pair import Pair
from throughtime.decode.beam import BeamConfig
from throughtime.errors import UsageError
from throughtime.model import TranslatorModel

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
    stdin("a\xe4b\r\n".encode("latin-1"))
    refused = run("translate", turned / "model")
    assert (refused.code, refused.out) == (2, "")
    assert "standard input, line 1: expected utf-8, found byte 0xE4: --encoding says otherwise" in refused.err
    stdin("a\xe4b\r\n".encode("latin-1"))
    assert 'not known to the model: "ä"' in run("translate", turned / "model", "--encoding", "latin-1").err
    assert "--source: expected a file" in run("predict", turned / "model", "-", "--source", "1").err
    stdin("\nabc\r\nda".encode("utf-16"))
    assert run("translate", turned / "model", "--encoding", "utf-16").out == "\ncba\nad\n"
    stdin(b"abc\n\xc3")
    cut = run("translate", turned / "model")
    assert (cut.code, cut.out) == (2, "cba\n")
    assert "standard input, line 2: expected utf-8, found byte 0xC3" in cut.err
    stdin("aäb\n".encode())
    result = run("predict", turned / "model", "-", "--n-best", "2")
    assert len(result.out.split("\t")) == 4
    assert 'line 1: not known to the model: "ä"' in result.err


def test_answers_on_screen_are_lines(run, turned, tmp_path):
    (tmp_path / "new.tsv").write_text("abc\n")
    assert "1 source answered" in run("predict", turned / "model", tmp_path / "new.tsv").err
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


def test_other_files_may_have_other_endings(run, turned, tmp_path):
    pairs = [line.split("\t") for line in (turned / "more.tsv").read_text().splitlines()]
    for ending, lines in (("src", [s for s, _ in pairs]), ("ref0", [t for _, t in pairs]), ("ref1", ["x"] * 60)):
        (tmp_path / f"test.{ending}").write_text("".join(f"{line}\n" for line in lines))
    refused = run("evaluate", turned / "model", tmp_path / "test")
    assert refused.code == 2
    said = ["--source", "src", "--target", "ref", "--json"]
    told = json.loads(run("evaluate", turned / "model", tmp_path / "test", *said).out)
    alone = json.loads(run("evaluate", turned / "model", turned / "more.tsv", "--json").out)
    assert told["exact"] == alone["exact"]
    assert told["bleu_signature"].startswith("nrefs:2")
    lines = run("predict", turned / "model", tmp_path / "test", "--source", "src").out.splitlines()
    assert lines == tt.load(turned / "model").predict([source for source, _ in pairs])


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
    refused = run("predict", model, path, "--prefix-column", "2")
    assert refused.code == 2
    assert "--prefix-column: expected a table or parallel files, found a pronunciation dictionary" in refused.err


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
    assert 'not known to the model: "ñ"' in run("inspect", turned / "model", "añb").out
    refused = run("inspect", turned / "model", " ")
    assert refused.code == 2
    assert "expected a text to answer, found an empty one" in refused.err


def test_a_long_source_is_shown_in_several_tables(run, turned, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    tables = run("inspect", turned / "model", "abcde" * 6).out.strip().split("\n\n")[1:]
    heads = [table.splitlines()[0].split() for table in tables]
    assert len(heads) > 1
    assert [symbol for head in heads for symbol in head] == [*"abcde" * 6, "(end)"]
    assert len({tuple(line.split(" ")[0] for line in table.splitlines()[1:]) for table in tables}) == 1
    assert all(len(line.rstrip()) <= 40 for table in tables for line in table.splitlines())


def test_minutes_leave_time_for_the_answers(run, turned, tmp_path, monkeypatch):
    def plan(seconds, name):
        monkeypatch.setattr(TranslatorModel, "seconds_to_judge", lambda self, data: seconds if data.examples else 0.0)
        monkeypatch.setattr(train, "BEGUN", time.monotonic())
        said = ["train", "translate", turned / "more.tsv", "--test", "0.1", "--minutes", "0.6", "--updates", "1"]
        assert run(*said, *QUICK, "--out", tmp_path / name).code == 0
        return json.loads((tmp_path / name / "config.json").read_text())["result"]["plan"]["limit"]

    slow = plan(10.0, "slow")
    assert slow < 36 - 2 * 10
    assert plan(0.0, "fast") > slow


def test_how_long_answers_take_is_told_without_a_trace(turned):
    model = tt.load(turned / "model")
    data = model.encode([Pair(word, (word[::-1], word), "a.tsv", 1) for word in words(40, 3)])
    state = torch.get_rng_state()
    assert 0 < model.seconds_to_judge(data) < 60
    assert torch.equal(torch.get_rng_state(), state)
    assert model.seconds_to_judge(model.encode([])) == 0.0


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


def test_answers_begin_as_was_said(run, turned, tmp_path, stdin):
    stdin(b"abc\n\nda\n")
    result = run("translate", turned / "model", "--prefix", "cc")
    first, empty, last = result.out.splitlines()
    assert first.startswith("cc")
    assert (empty, last[:2]) == ("", "cc")
    stdin(b"abc\n")
    result = run("predict", turned / "model", "-", "--prefix", "cÄ", "--n-best", "3")
    answers = result.out.rstrip("\n").split("\t")[::2]
    assert len(set(answers)) == 3
    assert all(answer.startswith("cÄ") for answer in answers)
    assert '--prefix: not known to the model: "Ä"' in result.err
    (tmp_path / "new.csv").write_text("source,draft\nabc,cb\nabc,b\nabc,\n")
    out = tmp_path / "out.csv"
    said = ["predict", turned / "model", tmp_path / "new.csv", "--format", "csv"]
    assert run(*said, "--prefix-column", "draft", "--out", out).code == 0
    assert [line.split(",")[1][:1] for line in out.read_text().splitlines()[1:]] == ["c", "b", "c"]
    assert out.read_text().splitlines()[1].startswith("abc,cba,")
    (tmp_path / "new.csv").write_text("source,draft\nabc,c\nabc,cÄ\n")
    told = run(*said, "--prefix-column", "draft")
    assert told.out.splitlines()[1].startswith("cÄ")
    assert "1 answer is to begin with symbols that the model does not know (first: line 3)" in told.err
    refused = run(*said, "--prefix-column", "other")
    assert refused.code == 2
    assert "--prefix-column other: expected a column of that name" in refused.err
    assert "found both" in run(*said, "--prefix-column", "draft", "--prefix", "c").err
    assert "found standard input" in run("predict", turned / "model", "-", "--prefix-column", "draft").err


def test_beginnings_are_wholes_where_a_step_is_one(turned):
    model = tt.load(turned / "model")
    (best,) = model.translate(["abc"])
    (begun,) = model.translate(["abc"], prefixes=[best[0].text[:2]])
    assert begun[0].text == best[0].text
    assert begun[0].log_probability == pytest.approx(best[0].log_probability)
    (long,) = model.translate(["abc"], BeamConfig(max_length=2), prefixes=["edcba"])
    assert long[0].text == "edcba"
    assert long[0].cut
    assert model.translate(["abc", ""], prefixes=["", "x"])[1][0].text == ""
    with pytest.raises(UsageError, match="expected a prefix for each of 1 texts, found 2"):
        model.translate(["abc"], prefixes=["a", "b"])
    with pytest.raises(UsageError, match="put it in a list"):
        model.translate(["abc"], prefixes="a")


@pytest.mark.parametrize("tokens", ["byte", "word", "bpe", "blanks"])
def test_answers_of_all_kinds_of_symbols_begin_as_was_said(tokens):
    sources, targets = ["one two", "two three"] * 4, ["eins zwei!", "zwei drei!"] * 4
    words = tt.SequenceTranslator(tokens=tokens, hidden_size=8, embedding_size=8, updates=2, threads=1)
    model = words.fit(sources, targets).model_
    typed = ["zwei", "drei eins", "Zwei dr", "größer"]
    for prefix, answers in zip(typed, model.translate(["one"] * 4, n_best=3, prefixes=typed), strict=True):
        assert all(answer.text.startswith(prefix) for answer in answers)


def test_of_several_answers_no_two_are_one_text():
    """Though its pieces may be others, or bytes that are no letter."""
    words = tt.SequenceTranslator(tokens="bpe", hidden_size=8, embedding_size=8, updates=1, threads=1, beam=60)
    (answers,) = words.fit(["one two"] * 4, ["eins zwei!"] * 4).translate(["one"], n_best=60)
    assert len({answer.text for answer in answers}) == len(answers) > 1
    (best,) = words.translate(["one"], n_best=3)
    assert best == answers[:3]


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
        (["--max-ratio", "1e30"], "--max-ratio: expected a value less than or equal to 1000, found 1e+30"),
        (["--length-penalty", "1e5"], "--length-penalty: expected a value less than or equal to 20, found 100000.0"),
        (["--max-length", "1" + "0" * 30], "--max-length: expected a value less than or equal to 1000000000"),
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
    result = run("predict", trained / "model", trained / "more.csv", "--prefix", "a")
    assert "--prefix: expected a model that answers with texts" in result.err
    result = run("evaluate", trained / "model", trained / "more.csv", "--source", "a")
    assert "--source: expected a model that answers with texts" in result.err
    result = run("translate", trained / "model")
    assert result.code == 2
    assert "expected a model that answers with texts" in result.err


def test_a_finished_run_is_not_gone_on_with(run, turned):
    said = ["train", "translate", turned / "train.tsv", "--out", turned / "model", "--epochs", "16", *QUICK]
    assert "the run is finished" in run(*said, "--resume").err


def stop_after(updates):
    """What a run does at each update, until this one, whose checkpoint is then not yet written."""
    steps, stepped = itertools.count(1), ProgressScreen.stepped

    def stop(self, *told):
        if next(steps) == updates:
            raise KeyboardInterrupt
        stepped(self, *told)

    return stop


def test_stopped_anywhere_and_resumed_the_weights_are_the_same_to_the_byte(run, tmp_path, monkeypatch):
    path = tmp_path / "words.dict"
    path.write_text(
        "".join(f"{w} {' '.join(w.upper())}\n{w}(2) {' '.join(w[::-1])}\n" for w in sorted(set(words(60, 2))))
    )
    said = [
        "train",
        "translate",
        path,
        "--epochs",
        "2",
        "--hidden-size",
        "8",
        "--embedding-size",
        "8",
        "--batch-size",
        "8",
    ]
    said += ["--input-feeding", "--recurrent-dropout", "0.1", "--checkpoint-seconds", "0", "--threads", "1"]
    assert run(*said, "--out", tmp_path / "whole").code == 0
    for updates in (1, 11):
        with monkeypatch.context() as patched:
            patched.setattr(ProgressScreen, "stepped", stop_after(updates))
            assert run(*said, "--out", tmp_path / "parts", "--resume").code == 1
    assert run(*said, "--out", tmp_path / "parts", "--resume").code == 0
    for name in ("model.safetensors", "source.json", "target.json", "labels.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not (tmp_path / "parts" / "checkpoints").exists()


@pytest.mark.parametrize(("end", "told"), [(b"\x04", (0, "")), (b"\x03", (1, "throughtime: stopped by Ctrl-C\n"))])
def test_a_terminal_has_a_prompt(turned, end, told):
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "throughtime.cli.main", "translate", str(turned / "model"), "--threads", "1"],
        stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    try:
        _until(master, "Ctrl-D ends.", ">")
        os.write(master, "\rñ\r".encode())
        _until(master, 'not known to the model: "ñ"', ">")
        os.write(master, b"ab\r")
        _until(master, "  ba", ">")
        os.write(master, end)
        assert process.communicate(timeout=60)[1] == told[1]
    finally:
        process.kill()
        process.communicate()
        os.close(master)
    assert process.returncode == told[0]


def _until(terminal, *expected):
    """Read what a terminal shows until some words have come, one after the other."""
    seen = b""
    for words in expected:
        while words.encode() not in seen:
            assert select.select([terminal], [], [], 60)[0], seen.decode()
            seen += os.read(terminal, 4096)
        seen = seen.partition(words.encode())[2]


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
