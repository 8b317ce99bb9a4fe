"""The commands that use a trained model."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import throughtime as tt
from tests.cli.conftest import SMALL
from throughtime.cli.main import COMMANDS, main
from throughtime.cli.main import run as start
from throughtime.cli.train import WORDS
from throughtime.data.columns import Example


def test_evaluate_prints_exactly_one_json_object(run, trained):
    result = run("evaluate", trained / "model", trained / "more.csv", "--json")
    assert result.code == 0
    scores = json.loads(result.out)
    assert set(scores) == {"accuracy", "macro_f1", "f1_by_class", "loss", "ece", "examples"}
    assert scores["examples"] == 300
    assert scores["accuracy"] > 0.9
    assert set(scores["f1_by_class"]) == {"good", "bad"}


def test_evaluate_agrees_with_predict(run, trained):
    scores = json.loads(run("evaluate", trained / "model", trained / "more.csv", "--json").out)
    rows = list(csv.DictReader(io.StringIO(run("predict", trained / "model", trained / "more.csv").out)))
    assert sum(row["predicted"] == row["sentiment"] for row in rows) / len(rows) == scores["accuracy"]


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_predict_keeps_the_files_own_columns(run, trained, tmp_path, kind):
    out = tmp_path / f"out.{kind}"
    assert run("predict", trained / "model", trained / "more.csv", "--out", out).code == 0
    text = out.read_text()
    if kind == "jsonl":
        rows = [json.loads(line) for line in text.splitlines()]
    else:
        rows = list(csv.DictReader(io.StringIO(text), delimiter="," if kind == "csv" else "\t"))
    assert list(rows[0]) == ["sentiment", "review", "predicted", "probability", "p(bad)", "p(good)"]
    assert len(rows) == 300
    assert all(abs(float(row["p(bad)"]) + float(row["p(good)"]) - 1) < 1e-5 for row in rows)


def test_predict_without_labels_and_with_other_columns(run, trained, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text('id,review,stars\n7,"a lovely, warm film",5\n8,a dull cold film,\n')
    result = run("predict", trained / "model", path)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert [(row["id"], row["predicted"]) for row in rows] == [("7", "good"), ("8", "bad")]


def test_predict_loses_nothing_already_written(run, trained, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    assert run("predict", trained / "model", trained / "more.csv", "--out", out).code == 2
    bad = tmp_path / "bad.csv"
    bad.write_text("sentiment,review\ngood,a\ngood,b,c\n")
    assert run("predict", trained / "model", bad, "--out", out, "--overwrite").code == 2
    assert out.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_lines_are_answered_as_they_come(trained):
    process = subprocess.Popen(
        [sys.executable, "-m", "throughtime.cli.main", "predict", str(trained / "model"), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    for text, label in (("a lovely warm film", "good"), ("", None), ("a dull cold film", "bad")):
        process.stdin.write(text + "\n")
        process.stdin.flush()
        found, probability, echoed = process.stdout.readline().rstrip("\n").split("\t")  # before the next is written
        assert echoed == text
        assert 0.5 <= float(probability) <= 1
        assert label in (None, found)
    process.stdin.close()
    assert process.wait() == 0
    process.stdout.close()


def test_inspect_shows_what_the_model_is(run, trained):
    result = run("inspect", trained / "model")
    for words in ("2 classes", "GRU", "reviews.csv", "accuracy", "report.html"):
        assert words in result.out
    content = json.loads(run("inspect", trained / "model", "--json").out)
    assert content["parameters"] == tt.load(trained / "model").parameters
    assert len(content["curve"]) == 6


def test_verify_finds_no_influence_of_padding_neighbours_and_order(run, trained):
    for file in ([], [trained / "more.csv"]):
        result = run("verify", trained / "model", *file, "--json")
        assert result.code == 0
        found = json.loads(result.out)
        assert len(found["differences"]) == 3
        assert found["largest"] == max(found["differences"].values()) <= 1e-6


def test_verify_fails_when_neighbours_have_influence(run, trained, monkeypatch):
    from throughtime.tasks import Classifier

    real = Classifier.answers
    monkeypatch.setattr(Classifier, "answers", lambda self, x: real(self, x) + 1e-5 * len(x))
    result = run("verify", trained / "model")
    assert (result.code, "beyond" in result.out) == (1, True)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_a_stream_equals_the_whole(run, reviews_file, tmp_path, pooling, cell):
    out = tmp_path / "m"
    words = ["--no-bidirectional", "--num-layers", 2, "--pooling", pooling, "--cell", cell, "--updates", 3]
    assert run("train", "classify", reviews_file, "--out", out, *SMALL[:4], *words).code == 0
    model = tt.load(out)
    stream = model.stream()
    state, read = stream.start(), []
    for word in ["a", "lovely", "story", "with", "a", "dull", "ending", "."]:
        before = state
        probabilities, state = stream.step(word, state)
        read.append(word)
        whole = model.probabilities([" ".join(read)])[0]
        assert list(probabilities.values()) == pytest.approx(whole.tolist(), abs=1e-6)
    again, _ = stream.step(word, before)  # the state was the caller's all along
    assert again == probabilities


def test_a_model_that_reads_both_ways_does_not_stream(trained):
    with pytest.raises(tt.UsageError, match="--no-bidirectional"):
        tt.load(trained / "model").stream()


# ---- a model folder that is not whole ----


def test_a_missing_model(run, tmp_path):
    result = run("predict", tmp_path / "no", "-")
    assert (result.code, "found no config.json" in result.err) == (2, True)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "labels.json"])
@pytest.mark.parametrize("how", ["missing", "altered"])
def test_a_file_that_is_missing_or_altered(run, trained, model, name, how):
    path = model / name
    if how == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    result = run("evaluate", model, trained / "more.csv")
    assert result.code == 2
    assert name in result.err
    assert ("altered" if how == "altered" else "found none") in result.err


@pytest.mark.parametrize(
    ("content", "words"),
    [('{"format": 99}', "expected format 1 or older, found 99"), ("{", "cannot be read"), ("[]", "cannot be read")],
)
def test_settings_that_cannot_be_used(run, model, content, words):
    (model / "config.json").write_text(content)
    result = run("inspect", model)
    assert (result.code, words in result.err) == (2, True)


def test_evaluate_names_an_unseen_label(run, trained, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("sentiment,review\ngood,a film\nfair,a film\n")
    result = run("evaluate", trained / "model", path)
    assert (result.code, f"{path}, line 3" in result.err) == (2, True)


# ---- in Python ----


def test_save_and_load_give_the_same_model(trained, tmp_path):
    model = tt.load(trained / "model")
    model.save(tmp_path / "copy")
    texts = ["a lovely film", "", "a dull film " * 30]
    assert (tt.load(tmp_path / "copy").probabilities(texts) == model.probabilities(texts)).all()
    assert model.probabilities([]).shape == (0, 2)


def test_evaluate_in_python(trained):
    scores = tt.load(trained / "model").evaluate([Example("a lovely warm film", "good", "here", 1)])
    assert scores["examples"] == 1
    assert scores["confusion"] == [[0, 0], [0, 1]]


def test_help_needs_no_torch():
    code = "import sys; from throughtime.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


# ---- odd cases ----


def test_settings_altered_by_hand_are_found_out(run, model):
    path = model / "config.json"
    content = json.loads(path.read_text())
    content["network"]["pooling"] = "max"
    path.write_text(json.dumps(content))
    result = run("inspect", model)
    assert (result.code, "the file was altered" in result.err) == (2, True)


def test_columns_of_one_name_all_come_back(run, trained, tmp_path):
    path, out = tmp_path / "new.csv", tmp_path / "out.jsonl"
    path.write_text("review,x,x,predicted,2\na lovely film,1,2,3,4\n")
    assert run("predict", trained / "model", path, "--out", out).code == 0
    row = json.loads(out.read_text())
    assert [row[name] for name in ("x", "x_", "predicted", "2")] == ["1", "2", "3", "4"]
    assert row["predicted_"] == "good"


def test_a_curve_that_cannot_be_read(run, model):
    (model / "metrics.jsonl").write_text('{"update": 1')
    result = run("inspect", model)
    assert (result.code, "metrics.jsonl" in result.err) == (2, True)


@pytest.mark.parametrize("command", [*COMMANDS, *(f"train {task}" for task in WORDS)])
def test_help_has_no_marks_of_the_documentation(run, command):
    shown = run(*command.split(), "--help")
    assert shown.code == 0
    assert not any(mark in shown.out for mark in (":class:", ":func:", ":meth:", "``"))


def test_one_text_in_place_of_a_list(trained):
    with pytest.raises(tt.UsageError, match="found one text"):
        tt.load(trained / "model").predict("dull")
    with pytest.raises(tt.DataError, match="found none"):
        tt.load(trained / "model").evaluate([])


def test_a_stream_is_not_cut(run, reviews_file, tmp_path):
    out = tmp_path / "m"
    words = ["--no-bidirectional", "--max-length", 4, "--updates", 2]
    assert run("train", "classify", reviews_file, "--out", out, *SMALL[:4], *words).code == 0
    stream = tt.load(out).stream()
    at_once, _ = stream.step("a b c d e f lovely warm film", stream.start())
    state = stream.start()
    for word in ["a", "b", "c", "d", "e", "f", "lovely", "warm", "film"]:
        apart, state = stream.step(word, state)
    assert at_once == pytest.approx(apart)


def test_lines_in_another_encoding(trained):
    words = [sys.executable, "-m", "throughtime.cli.main", "predict", str(trained / "model"), "-"]
    wrong = subprocess.run(words, input="caf\xe9".encode("latin-1"), capture_output=True, check=False)
    assert wrong.returncode == 2
    assert b"standard input, line 1: expected utf-8, found byte 0xE9" in wrong.stderr
    right = subprocess.run([*words, "--encoding", "latin-1"], input=b"caf\xe9\n", capture_output=True, check=True)
    assert right.stdout.decode().endswith("\tcafé\n")


def test_more_threads_than_there_are_cores(run, trained):
    words = ["evaluate", trained / "model", trained / "more.csv", "--json"]
    assert run(*words, "--threads", 10**12) == run(*words, "--threads", 1)


# ---- where nothing can be read or written ---------------------------------------------------------------------------


def nobody_reads():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full_disk():
    return Path("/dev/full").open("w")


@pytest.mark.parametrize("json", [[], ["--json"]])
@pytest.mark.parametrize(
    ("output", "said"), [(nobody_reads, ""), (full_disk, "throughtime: No space left on device\n")]
)
def test_output_that_goes_nowhere_is_told_once(run, trained, monkeypatch, output, said, json):
    with output() as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        code, _, err = run("evaluate", trained / "model", trained / "more.csv", *json)
        monkeypatch.undo()
        assert (code, err) == (1, said)
        stdout.flush()  # as Python does at its end, when nobody can say a sentence any more


def test_closed_streams_are_empty_ones(trained, monkeypatch, capfd):
    monkeypatch.setattr("sys.argv", ["throughtime", "predict", str(trained / "model"), "-"])
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}", None)
    with pytest.raises(SystemExit) as ended:
        start()
    with sys.stdin, sys.stdout:
        assert ended.value.code == 0
    assert capfd.readouterr() == ("", "")


# ---- rate ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rated")
    stars = {"awful": 1, "dull": 2, "fair": 3, "lovely": 5}
    rows = [(stars[word], f"a {word} film {n}") for n in range(40) for word in stars]
    (folder / "stars.csv").write_text("stars,review\n" + "".join(f"{n},{text}\n" for n, text in rows))
    words = ["train", "rate", folder / "stars.csv", "--label", "stars", "--text", "review", "--out", folder / "model"]
    assert main([str(word) for word in (*words, "--test", "0.2", *SMALL, "--epochs", "20")]) == 0
    return folder


def test_ratings_are_measured_predicted_and_verified(run, rated, tmp_path):
    result = run("evaluate", rated / "model", rated / "stars.csv", "--json")
    scores = json.loads(result.out)
    assert set(scores) == {"mae", "rmse", "accuracy", "spearman", "loss", "examples"}
    assert scores["mae"] < 0.5
    assert scores["accuracy"] > 0.8
    result = run("predict", rated / "model", rated / "stars.csv", "--out", tmp_path / "told.csv")
    assert result.code == 0
    head, first, *_ = (tmp_path / "told.csv").read_text().splitlines()
    assert head == "stars,review,predicted,p(1),p(2),p(3),p(5)"
    assert 1 <= float(first.split(",")[2]) < 2.5
    assert (
        run("verify", rated / "model", rated / "stars.csv")
        .out.splitlines()[-1]
        .startswith("largest change of any answer, 160 texts: 0")
    )
    shown = run("inspect", rated / "model").out
    assert "rate: 4 grades" in shown
    assert "mean abs. error" in shown
    assert tt.load(rated / "model").predict(["a lovely film"])[0] > 3
    for name in ("report.html", "README.md"):
        assert "Text rater: 1 to 5" in (rated / "model" / name).read_text()


def test_what_rating_says_on_screen_and_of_bad_labels(run, tmp_path):
    path = tmp_path / "sizes.csv"
    path.write_text("size,text\n" + "".join(f"{n}.5,a text of {n}\n" for n in range(40)))
    result = run("train", "rate", path, "--text", "text", "--label", "size", "--out", tmp_path / "m", *SMALL)
    assert result.code == 0
    assert "numbers, learnt by their squared error (--loss squared)" in result.err
    path.write_text(path.read_text() + "big,a text\n")
    result = run("train", "rate", path, "--text", "text", "--label", "size", "--out", tmp_path / "n", *SMALL)
    assert result.code == 2
    assert "sizes.csv, line 42" in result.err
    assert "expected a number as label, found 'big'" in result.err
