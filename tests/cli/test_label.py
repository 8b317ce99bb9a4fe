"""``throughtime train label`` and its models as a person uses them, and misuses them."""

import argparse
import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc

import pytest

import throughtime as tt
from tests.cli.test_train import start, wait_for_checkpoint
from tests.conftest import KINDS, NAMES, tagged
from throughtime.cli import labelling
from throughtime.cli.main import main
from throughtime.model import LabelModel

SMALL = ["--hidden-size", "8", "--embedding-size", "8", "--character-size", "4", "--character-hidden", "4"]
QUICK = [*SMALL, "--epochs", "10", "--lr", "0.03", "--dropout", "0"]
KEYS = {"accuracy", "accuracy_unknown", "precision", "recall", "f1", "f1_by_type", "tokens", "sequences"}


def as_conllu(sentences):
    text = ""
    for number, words in enumerate(sentences, 1):
        rows = (f"{at}\t{word}\t_\t{label}\t_\t_\t0\tdep\t_\t_\n" for at, (word, label) in enumerate(words, 1))
        text += f"# sent_id = {number}\n{''.join(rows)}\n"
    return text


def as_columns(sentences):
    return "\n".join("".join(f"{word} X {label}\n" for word, label in words) for words in sentences)


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    """A folder with files of both formats, ``more`` for what was not learnt from; models ``tags`` and ``names``."""
    folder = tmp_path_factory.mktemp("labelled")
    for name, seed in (("train", 0), ("more", 1)):
        (folder / f"{name}.conllu").write_text(as_conllu(tagged(120, KINDS, seed)))
        (folder / f"{name}.txt").write_text("-DOCSTART- X O\n\n" + as_columns(tagged(120, NAMES, seed)))
    for file, name in (("train.conllu", "tags"), ("train.txt", "names")):
        words = ["train", "label", folder / file, "--test", "0.1", "--out", folder / name, "--quiet", *QUICK]
        assert main([str(word) for word in words]) == 0
    return folder


@pytest.fixture
def stdin(monkeypatch):
    """Put bytes on standard input."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def changed(before, after):
    """The places of two texts' lines that are not the same."""
    one, other = before.split("\n"), after.split("\n")
    assert len(one) == len(other)
    return [number for number, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]


# ---- from a file to a model and back ----


def test_from_a_file_to_a_model(run, corpora, tmp_path):
    out = tmp_path / "model"
    result = run("train", "label", corpora / "train.conllu", "--test", "0.2", "--out", out, *QUICK)
    assert (result.code, result.out) == (0, "")
    for words in (
        "120 sentences, read as conllu",
        "86 to learn from, 10 to choose by, 24 to test on",
        "sentences repeat an earlier text and label",
        "4 labels; always guessing",
        "of the words",
        "words, none of them padding",
        "whatever the length of a sentence",
        "throughtime predict",
    ):
        assert words in result.err
    for words in ("rows", "tokens", "text;"):
        assert words not in result.err
    assert tt.load(out).predict([["a", "Dog", "sings"], ["often"]]) == [["DET", "NOUN", "VERB"], ["ADV"]]
    assert {path.name for path in out.iterdir()} >= {"README.md", "report.html", "characters.json", "tokenizer.json"}


def test_evaluate_prints_exactly_one_json_object(run, corpora):
    result = run("evaluate", corpora / "tags", corpora / "more.conllu", "--json")
    scores = json.loads(result.out)
    assert set(scores) >= KEYS
    assert scores["accuracy"] > 0.95
    assert scores["sequences"] == 120
    assert scores["tokens"] == sum(map(len, tagged(120, KINDS, 1)))
    assert (scores["f1"], scores["f1_by_type"]) == (None, {})
    names = json.loads(run("evaluate", corpora / "names", corpora / "more.txt", "--json").out)
    assert set(names) >= KEYS
    assert names["f1"] > 0.95
    assert set(names["f1_by_type"]) == {"LOC", "PER"}
    told = run("evaluate", corpora / "names", corpora / "more.txt").out
    assert "F1 of spans" in told
    assert "words" in told


@pytest.mark.parametrize(("kind", "model"), [("conllu", "tags"), ("txt", "names")])
def test_evaluate_agrees_with_predict(run, corpora, kind, model):
    given = (corpora / f"more.{kind}").read_text()
    result = run("predict", corpora / model, corpora / f"more.{kind}")
    assert result.code == 0
    scores = json.loads(run("evaluate", corpora / model, corpora / f"more.{kind}", "--json").out)
    assert len(changed(given, result.out)) == round((1 - scores["accuracy"]) * scores["tokens"])


TREE = """# newdoc id = 1

# text = It's a dog
1-2\tIt's\t_\t_\t_\t_\t_\t_\t_\t_
1\tthe\tthe\tX\t_\tA=B\t2\tdet\t_\tSpaceAfter=No
# a remark in between
2\tdog\t dog \tX\t_\t_\t0\troot\t_\t_
2.1\tgone\t_\tVERB\t_\t_\t_\t_\t0:root\t_

1\tsings\t_\t_\t_\t_\t0\troot\t_\t_
# the end, without a blank line
"""


def test_conllu_comes_back_with_nothing_else_changed(run, corpora, tmp_path):
    path = tmp_path / "new.conllu"
    path.write_text(TREE)
    expected = (
        TREE.replace("\tthe\tX", "\tthe\tDET").replace(" dog \tX", " dog \tNOUN").replace("s\t_\t_", "s\t_\tVERB")
    )
    expected = expected.replace("It's\t_\tVERB", "It's\t_\t_")
    result = run("predict", corpora / "tags", path)
    assert (result.code, result.out) == (0, expected)
    assert result.err == "2 sentences labelled\n"


COLUMNS = "-DOCSTART- X O\n\nAda  NNP\tO\nmet   VBD\t O \nAlan NNP B-PER\n\n\n-DOCSTART- X O\n\nin IN O\nRome NNP O"


def test_columns_come_back_with_nothing_else_changed(run, corpora, tmp_path):
    path = tmp_path / "new.txt"
    given = COLUMNS.replace("\t", " ")
    path.write_text(given)
    result = run("predict", corpora / "names", path)
    assert result.code == 0
    assert result.out == (
        "-DOCSTART- X O\n\nAda  NNP I-PER\nmet   VBD  O \nAlan NNP I-PER\n\n\n-DOCSTART- X O\n\nin IN O\nRome NNP I-LOC"
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_and_gzip_stay(run, corpora, tmp_path, ending, packed):
    whole = as_columns(tagged(30, NAMES, 2)).replace("\n", ending).encode()
    given = whole.replace(b" I-LOC", b" O")
    path, out = (tmp_path / f"{name}.txt{'.gz' if packed else ''}" for name in ("new", "out"))
    path.write_bytes(gzip.compress(given) if packed else given)
    assert run("predict", corpora / "names", path, "--out", out).code == 0
    written = gzip.decompress(out.read_bytes()) if packed else out.read_bytes()
    assert written.count(b"-LOC") == whole.count(b"-LOC") > 5
    assert written.replace(b"B-LOC", b"O").replace(b"I-LOC", b"O").replace(b"B-PER", b"I-PER") == given
    assert run("predict", corpora / "names", path).out.encode() == written


def test_words_alone_get_a_column(run, corpora, tmp_path):
    path = tmp_path / "new.txt"
    path.write_text("Ada\nmet\n\nRome\n")
    assert run("predict", corpora / "names", path).out == "Ada I-PER\nmet O\n\nRome I-LOC\n"


def test_predict_loses_nothing_already_written(run, corpora, tmp_path):
    out, bad = tmp_path / "out.conllu", tmp_path / "bad.conllu"
    out.write_text("mine")
    refused = run("predict", corpora / "tags", corpora / "more.conllu", "--out", out)
    assert (refused.code, "--overwrite replaces it" in refused.err) == (2, True)
    bad.write_text((corpora / "more.conllu").read_text() + "1\tdog\n")
    assert run("predict", corpora / "tags", bad, "--out", out, "--overwrite").code == 2
    assert out.read_text() == "mine"
    assert run("predict", corpora / "tags", corpora / "more.conllu", "--out", out, "--overwrite").code == 0
    assert out.read_text().startswith("# sent_id = 1\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.conllu", "out.conllu"]
    own = tmp_path / "own.conllu"
    shutil.copy(bad.with_name("out.conllu"), own)
    assert run("predict", corpora / "tags", own, "--out", own, "--overwrite").code == 0
    assert own.read_text() == out.read_text()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_other_encodings_come_back_in_their_own_bytes(run, corpora, tmp_path, monkeypatch, encoding):
    path, out = tmp_path / "new.txt", tmp_path / "out.txt"
    given = as_columns([[("Zoë", "O"), ("Rome", "O")]] * 30)
    path.write_bytes(given.encode(encoding))
    words = ["predict", str(corpora / "names"), str(path), "--encoding", encoding]
    assert run(*words, "--out", out).code == 0
    assert out.read_bytes().decode(encoding).count("Rome X I-LOC") == 30
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown))
    assert main(words) == 0
    sys.stdout.flush()
    assert shown.getvalue() == out.read_bytes()


def test_what_an_encoding_cannot_spell_is_named(run, corpora, tmp_path, monkeypatch):
    path = tmp_path / "new.txt"
    path.write_text("Ada X O\n")
    monkeypatch.setattr(LabelModel, "predict", lambda *_: [["Ж"]])
    for more in ([], ["--out", tmp_path / "out.txt"]):
        result = run("predict", corpora / "names", path, "--encoding", "latin-1", *more)
        assert (result.code, f"{path}, line 1: expected text that latin-1 can spell" in result.err) == (2, True)


def test_lines_are_labelled_as_they_come(corpora):
    process = subprocess.Popen(
        [sys.executable, "-m", "throughtime.cli.main", "predict", str(corpora / "tags"), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line, told in (
        ("the  dog sings\n", ["the\tDET", "dog\tNOUN", "sings\tVERB"]),
        ("\n", []),
        ("often", ["often\tADV"]),
    ):
        process.stdin.write(line)
        process.stdin.flush()
        if not line.endswith("\n"):
            process.stdin.close()
        assert [process.stdout.readline().rstrip("\n") for _ in range(len(told) + 1)] == [*told, ""]
    assert process.wait() == 0
    process.stdout.close()


def test_a_byte_that_is_no_text_on_standard_input_is_named(corpora):
    words = [sys.executable, "-m", "throughtime.cli.main", "predict", str(corpora / "tags"), "-"]
    result = subprocess.run(words, input=b"the dog\nna\xefve\n", capture_output=True, check=False)
    assert result.returncode == 2
    assert result.stdout == b"the\tDET\ndog\tNOUN\n\n"
    assert b"standard input, line 2: expected utf-8, found byte 0xEF" in result.stderr


def test_a_byte_order_mark_on_standard_input_is_no_letter(run, corpora, stdin):
    stdin(b"\xef\xbb\xbfthe dog\n")
    assert run("predict", corpora / "tags", "-").out == "the\tDET\ndog\tNOUN\n\n"


def test_an_encoding_that_is_unknown_or_cannot_spell_a_label_is_named(run, corpora, stdin, monkeypatch):
    stdin(b"the dog\n")
    result = run("predict", corpora / "tags", "-", "--encoding", "klingon")
    assert (result.code, "expected an encoding such as utf-8" in result.err) == (2, True)
    monkeypatch.setattr(LabelModel, "predict", lambda *_: [["Ж", "Ж"]])
    stdin(b"the dog\n")
    result = run("predict", corpora / "tags", "-", "--encoding", "latin-1")
    assert (result.code, "standard input, line 1: expected text that latin-1 can spell" in result.err) == (2, True)


# ---- labels that training did not show ----


def test_labels_that_training_did_not_show_are_counted_and_said(run, corpora, tmp_path):
    path = tmp_path / "new.conllu"
    path.write_text(as_conllu([[("the", "DET"), ("dog", "<new>")], [("dog", "NOUN"), ("sings", "<new>")]]))
    said = 'new.conllu: 2 words have a label that training did not show ("<new>")'
    assert said in run("evaluate", corpora / "tags", path).out
    scores = json.loads(run("evaluate", corpora / "tags", path, "--json").out)
    assert (scores["labels_unknown"], scores["accuracy"]) == ({"<new>": 2}, 0.5)
    words = ["train", "label", corpora / "train.conllu", *SMALL, "--epochs", 1, "--test", path]
    result = run(*words, "--out", tmp_path / "m")
    assert f'2 words of the test data have a label that the training data does not show ("<new>"): {path}, line 3;' in (
        result.err
    )
    assert "test: 2 words have a label that training did not show" in result.err
    report = (tmp_path / "m" / "report.html").read_text()
    assert "&lt;new&gt;" in report
    assert "Words with a label that training did not show</dt><dd>2</dd>" in report
    result = run(*words, "--out", tmp_path / "strict", "--strict")
    assert (result.code, "expected data without warnings (--strict)" in result.err) == (2, True)


def test_nothing_to_choose_by_is_named(run, tmp_path):
    for name, label in (("train", "N"), ("valid", "NEW")):
        (tmp_path / f"{name}.txt").write_text(f"a {label}\nb V\n")
    result = run("train", "label", tmp_path / "train.txt", "--valid", tmp_path / "valid.txt", "--out", tmp_path / "m")
    assert result.code == 2
    assert "valid.txt: expected a validation sentence with no other labels than those of the training" in result.err
    assert not (tmp_path / "m").exists()


# ---- looking at a model ----


@pytest.mark.parametrize(("model", "file"), [("tags", "more.conllu"), ("names", "more.txt")])
def test_verify_finds_no_influence_of_padding_neighbours_and_order(run, corpora, model, file):
    for path in ([], [corpora / file]):
        result = run("verify", corpora / model, *path, "--json")
        assert result.code == 0
        assert json.loads(result.out)["largest"] == 0
    assert "120 sentences: 0, within" in run("verify", corpora / model, corpora / file).out


def test_inspect_shows_what_the_model_is(run, corpora):
    tags, names = run("inspect", corpora / "tags").out, run("inspect", corpora / "names").out
    for words in ("label: 4 tags", "ADV, DET, NOUN, VERB", "LSTM", "sentences of", "read as   conllu", "unknown words"):
        assert words in tags
    for words in ("label: 9 tags", "S-LOC", "conditional random field", "F1 of spans", "PER"):
        assert words in names
    assert json.loads(run("inspect", corpora / "names", "--json").out)["labels"][0] == "O"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "characters.json", "labels.json"])
@pytest.mark.parametrize("how", ["missing", "altered"])
def test_a_file_that_is_missing_or_altered(run, corpora, tmp_path, name, how):
    model = shutil.copytree(corpora / "tags", tmp_path / "model")
    path = model / name
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    result = run("evaluate", model, corpora / "more.conllu")
    assert (result.code, name in result.err) == (2, True)


# ---- the same again ----


def words_for(file, out, *more):
    settings = ["--epochs", "15", "--checkpoint-seconds", "0.02", "--threads", "1", "--patience", "15"]
    return ["train", "label", str(file), "--out", str(out), *SMALL, *settings, *more]


def test_killed_at_random_moments_the_result_is_the_same_to_the_byte(run, corpora, tmp_path):
    whole, out, draw = tmp_path / "whole", tmp_path / "killed", random.Random(0)
    assert run(*words_for(corpora / "train.txt", whole)).code == 0
    for _ in range(2):
        process = start(*words_for(corpora / "train.txt", out, "--resume"))
        wait_for_checkpoint(process, out)
        time.sleep(draw.uniform(0, 0.4))
        process.kill()
        _, said = process.communicate()
        assert "Traceback" not in said
        if (out / "config.json").exists() and json.loads((out / "config.json").read_text())["files"]:
            shutil.rmtree(out)  # it was too fast for this kill: begin anew
    assert run(*words_for(corpora / "train.txt", out, "--resume")).code == 0
    for name in ("model.safetensors", "tokenizer.json", "characters.json", "labels.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_same_seed_same_bytes_other_seed_others(run, corpora, tmp_path):
    weights = []
    for number, seed in enumerate((4, 4, 5)):
        words = ["--seed", seed, "--out", tmp_path / str(number), *SMALL, "--epochs", 1]
        assert run("train", "label", corpora / "train.txt", *words).code == 0
        weights.append((tmp_path / str(number) / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize(
    "options",
    [
        ["--cell", "gru", "--decoder", "softmax", "--no-bidirectional", "--loss-average", "sequence"],
        ["--cell", "elman", "--num-layers", "2", "--no-characters", "--scheme", "bio", "--recurrent-dropout", "0.1"],
        ["--spelling", "--no-lowercase", "--min-count", "2", "--valid", "0", "--scheme", "bilou"],
        ["--no-characters", "--word-dropout", "0", "--decoder", "crf", "--scheme", "iob1"],
    ],
    ids=["one-way", "no-letters", "no-validation", "words-alone"],
)
def test_every_kind_of_model_trains_saves_loads_and_is_verified(run, corpora, tmp_path, options):
    out = tmp_path / "model"
    assert run("train", "label", corpora / "train.txt", "--out", out, *SMALL, "--epochs", 1, *options).code == 0
    assert run("inspect", out).code == 0
    assert json.loads(run("verify", out, "--rows", 40, "--json").out)["largest"] == 0
    assert run("predict", out, corpora / "more.txt").code == 0


def test_sentences_of_one_word_and_of_many_together(run, tmp_path):
    path = tmp_path / "train.txt"
    long = [word for sentence in tagged(1200, NAMES) for word in sentence][:5000]
    path.write_text(as_columns([long, *([pair] for pair in long[:40])]))
    out = tmp_path / "model"
    assert (
        run("train", "label", path, "--valid", path, "--out", out, *SMALL, "--epochs", 1, "--decoder", "softmax").code
        == 0
    )
    given, told = path.read_text(), run("predict", out, path).out
    assert [line.split()[:2] for line in told.splitlines()] == [line.split()[:2] for line in given.splitlines()]


# ---- bad input ----

BAD = {
    "an empty file": ("a.txt", "", [], "expected sentences, found an empty file"),
    "blank lines alone": ("a.txt", "\n\n", [], "only blank lines"),
    "one column": ("a.txt", "a\nb\n", [], "line 1: expected a column beside that of the text"),
    "ragged rows": ("a.txt", "a X O\nb O\n", [], "line 2: expected 3 columns as on line 1, found 2"),
    "no such column": ("a.txt", "a X O\n", ["--label", "7"], "line 1: expected 7 columns, found 3"),
    "the same column": ("a.txt", "a X O\n", ["--text", "3", "--label", "3"], "cannot be the same column"),
    "a name for columns": ("a.txt", "a X O\n", ["--label", "ner"], "CoNLL columns have no names; found 'ner'"),
    "a name unknown to CoNLL-U": ("a.conllu", as_conllu(tagged(2, KINDS)), ["--label", "pos"], 'found "pos"'),
    "ragged CoNLL-U": ("a.conllu", "1\tdog\tNOUN\n", [], "line 1: expected 10 columns with a tab between them"),
    "an illegal tag": ("a.txt", "a B-X\nb I-X\n\nc O\nd I-X\n", [], "line 5: expected B-X"),
    "a strange tag": ("a.txt", "a B-X\n" * 30 + "b NN\nc O\n", [], "line 31: expected O or a tag such as B-TYPE"),
    "one label only": ("a.txt", "a N\nb N\n", [], "at least two different labels to tell apart, found only 'N'"),
    "a format unknown": ("a.txt", "a N\nb V\n", ["--format", "csv"], "--format"),
    "not UTF-8": ("a.txt", b"a N\nna\xefve V\n", [], "line 2: expected utf-8 text, found the byte 0xEF"),
    "no word often enough": ("a.txt", "a N\nb V\n", ["--min-count", "9"], "seen at least 9×"),
}


@pytest.mark.parametrize(("name", "content", "options", "words"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_clear_sentence(run, tmp_path, name, content, options, words):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = run("train", "label", path, "--valid", "0", "--out", tmp_path / "m", *options)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "m").exists()


def test_a_folder_is_no_file_of_sentences(run, corpora, tmp_path):
    for words in (["train", "label", tmp_path, "--out", tmp_path / "m"], ["predict", corpora / "tags", tmp_path]):
        result = run(*words)
        assert (result.code, "found a folder" in result.err) == (2, True)


def test_other_files_that_do_not_fit_are_named(run, corpora, tmp_path):
    held = tmp_path / "held.txt"
    held.write_text("Ada X I-PER\nmet X VERB\n")
    result = run("train", "label", corpora / "train.txt", "--valid", held, "--out", tmp_path / "m", *SMALL)
    assert (result.code, f"{held}, line 2: expected a tag of iob1" in result.err) == (2, True)
    again = run("evaluate", corpora / "names", held)
    assert (again.code, f"{held}, line 2: expected a tag of iob1" in again.err) == (2, True)
    held.write_text("Ada X I-NEW\n")
    result = run("train", "label", corpora / "train.txt", "--valid", held, "--out", tmp_path / "m", *SMALL)
    assert (result.code, f"{held}: expected a validation sentence with no other labels" in result.err) == (2, True)
    scores = json.loads(run("evaluate", corpora / "names", held, "--json").out)
    assert (scores["accuracy"], scores["loss"], scores["f1_by_type"]["NEW"]) == (0, None, 0)
    assert run("evaluate", corpora / "names", held).code == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_loses_nothing(run, corpora, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = run("train", "label", pipe, "--out", tmp_path / "m")
    assert (refused.code, "expected --format conllu, conll or jsonl for a pipe" in refused.err) == (2, True)
    writer = threading.Thread(target=lambda: pipe.write_bytes((corpora / "train.txt").read_bytes()))
    writer.start()
    words = ["--format", "conll", "--out", tmp_path / "m", *SMALL, "--epochs", 1]
    result = run("train", "label", pipe, *words)
    writer.join()
    assert (result.code, "120 sentences, read as conll" in result.err) == (0, True)


# ---- constant memory ----


def test_a_file_of_any_length_takes_the_same_memory(corpora, tmp_path, monkeypatch):
    model, peaks = tt.load(corpora / "names"), []
    sentences = as_columns(tagged(400, NAMES, 3)).replace(" X ", f" {'X' * 200} ") + "\n"
    monkeypatch.setattr(labelling, "CHUNK", 64)
    for times in (4, 10):  # beyond the megabyte that a reader takes at a time
        path = tmp_path / f"{times}.txt"
        path.write_text(sentences * times)
        arguments = argparse.Namespace(file=str(path), encoding=None, format=None, out=tmp_path / "out")
        tracemalloc.start()
        assert labelling.label_file(arguments, model) == 400 * times
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
