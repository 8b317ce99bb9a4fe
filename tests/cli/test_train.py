"""``throughtime train classify`` as a person uses it, and misuses it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

import throughtime as tt
from tests.cli.conftest import SMALL
from tests.conftest import ROOT, reviews
from throughtime.cli.train import _kept
from throughtime.train.plan import Plan
from throughtime.train.protocol import Record
from throughtime.train.run import Outcome

FOLDER = {
    "README.md",
    "config.json",
    "labels.json",
    "metrics.jsonl",
    "model.safetensors",
    "report.html",
    "tokenizer.json",
}


def test_from_a_file_to_a_model(run, reviews_file, tmp_path):
    out = tmp_path / "model"
    result = run("train", "classify", reviews_file, "--test", "0.2", "--out", out, *SMALL)
    assert result.code == 0
    assert result.out == ""
    for words in (
        "300 rows, read as csv",
        "216 to learn from, 24 to choose by, 60 to test on",
        "2 classes",
        "parameters, whatever the length of a text",
        "6 epochs are done (--epochs)",
        "throughtime predict",
    ):
        assert words in result.err
    assert {path.name for path in out.iterdir()} == FOLDER
    assert tt.load(out).predict(["a lovely warm film", "a dull cold film"]) == ["good", "bad"]


def test_parameters_do_not_depend_on_the_length(run, tmp_path):
    counts = []
    for repeat in (1, 9):
        path = tmp_path / f"{repeat}.csv"
        path.write_text("sentiment,review\n" + "".join(f"{a},{' '.join([b] * repeat)}\n" for a, b in reviews(60)))
        assert run("train", "classify", path, "--out", tmp_path / f"m{repeat}", *SMALL, "--epochs", 1).code == 0
        counts.append(tt.load(tmp_path / f"m{repeat}").parameters)
    assert counts[0] == counts[1]


def test_same_seed_same_bytes_other_seed_others(run, reviews_file, tmp_path):
    weights = []
    for number, seed in enumerate((4, 4, 5)):
        out = tmp_path / str(number)
        assert run("train", "classify", reviews_file, "--seed", seed, "--out", out, *SMALL, "--epochs", 1).code == 0
        weights.append((out / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize(
    "options",
    [
        ["--cell", "gru", "--pooling", "attention", "--no-bidirectional", "--recurrent-dropout", "0.1"],
        ["--cell", "elman", "--one-hot", "--pooling", "mean", "--num-layers", "2", "--class-weights", "balanced"],
        ["--tokens", "char", "--pooling", "last", "--label-smoothing", "0.1", "--optimizer", "sgd", "--lr", "0.1"],
        ["--tokens", "bpe", "--vocab-size", "60", "--min-count", "2", "--valid", "0", "--max-length", "9"],
    ],
    ids=["gru", "elman-one-hot", "characters", "pieces-no-validation"],
)
def test_every_kind_of_model_trains_saves_loads_and_is_verified(run, reviews_file, tmp_path, options):
    out = tmp_path / "model"
    assert run("train", "classify", reviews_file, "--out", out, *SMALL, "--epochs", 1, *options).code == 0
    assert run("inspect", out).code == 0
    assert run("verify", out, reviews_file).code == 0


# ---- the folder: refused, replaced, gone on with ----


def test_a_folder_that_holds_a_model_is_refused_then_replaced(run, trained, model):
    before = (model / "model.safetensors").read_bytes()
    words = ["train", "classify", trained / "reviews.csv", "--out", model, *SMALL, "--epochs", 1]
    refused = run(*words)
    assert refused.code == 2
    assert "already holds a model: --overwrite replaces it" in refused.err
    assert (model / "model.safetensors").read_bytes() == before
    (model / "notes.txt").write_text("mine")
    assert run(*words, "--overwrite").code == 0
    assert (model / "model.safetensors").read_bytes() != before
    assert (model / "notes.txt").read_text() == "mine"


def test_overwrite_keeps_the_old_model_when_the_new_data_cannot_be_read(run, model):
    assert run("train", "classify", "nowhere.csv", "--out", model, "--overwrite").code == 2
    assert tt.load(model).predict(["lovely"])


def test_resume_of_a_finished_run_says_so(run, trained, model):
    result = run("train", "classify", trained / "reviews.csv", "--out", model, "--resume", *SMALL)
    assert (result.code, "the run is finished" in result.err) == (0, True)


def test_resume_without_a_checkpoint_begins_anew(run, reviews_file, tmp_path):
    assert run("train", "classify", reviews_file, "--out", tmp_path / "m", "--resume", *SMALL, "--epochs", 1).code == 0


def words_for(file, out, *more):
    settings = ["--epochs", "40", "--checkpoint-seconds", "0.02", "--threads", "1", "--patience", "30"]
    return ["train", "classify", str(file), "--out", str(out), *SMALL, *settings, *more]


def start(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "throughtime.cli.main", *map(str, words)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def wait_for_checkpoint(process, out):
    while not list((out / "checkpoints").glob("update-*")) and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
def test_killed_at_random_moments_the_result_is_the_same_to_the_byte(run, reviews_file, tmp_path, kills):
    whole = tmp_path / "whole"
    assert run(*words_for(reviews_file, whole)).code == 0
    out, draw, killed = tmp_path / "killed", random.Random(kills), 0
    while killed < kills:
        process = start(*words_for(reviews_file, out, "--resume"))
        wait_for_checkpoint(process, out)
        time.sleep(draw.uniform(0, 0.4))
        process.kill()
        _, said = process.communicate()
        assert "Traceback" not in said
        if (out / "config.json").exists() and json.loads((out / "config.json").read_text())["files"]:
            shutil.rmtree(out)  # it was too fast for this kill: begin anew, the others are still to come
        killed += 1
    assert run(*words_for(reviews_file, out, "--resume")).code == 0
    for name in ("model.safetensors", "tokenizer.json", "labels.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert not (out / "checkpoints").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_the_checkpoint_and_says_how_to_go_on(reviews_file, tmp_path, number):
    out = tmp_path / "m"
    process = start(*words_for(reviews_file, out, "--epochs", "4000"))
    wait_for_checkpoint(process, out)
    time.sleep(0.3)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "stopped by Ctrl-C;" in said if number == signal.SIGINT else "stopped by SIGTERM;" in said
    assert "--resume" in said
    assert list((out / "checkpoints").glob("update-*"))


def stopped_early(run, reviews_file, out, monkeypatch):
    """A folder with a run that was stopped after its first evaluation."""
    from throughtime.cli import progress

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.ProgressScreen, "evaluated", stop)
    assert run(*words_for(reviews_file, out)).code == 1
    monkeypatch.undo()


def test_an_unfinished_folder_is_neither_used_nor_lost(run, reviews_file, tmp_path, monkeypatch):
    out = tmp_path / "m"
    stopped_early(run, reviews_file, out, monkeypatch)
    refused = run(*words_for(reviews_file, out))
    assert (refused.code, "--resume goes on with it" in refused.err) == (2, True)
    unfinished = run("inspect", out)
    assert (unfinished.code, "training has not come to its end" in unfinished.err) == (2, True)


def test_resume_with_other_settings_or_data_is_refused(run, reviews_file, tmp_path, monkeypatch):
    out = tmp_path / "m"
    stopped_early(run, reviews_file, out, monkeypatch)
    other = run(*words_for(reviews_file, out, "--resume", "--lr", "0.5"))
    assert (other.code, "--lr: expected 0.02, as the run began with, found 0.5" in other.err) == (2, True)
    reviews_file.write_text(reviews_file.read_text() + "good,one more lovely film\n")
    changed = run(*words_for(reviews_file, out, "--resume"))
    assert changed.code == 2
    assert "expected the train data that the run began with, found other content" in changed.err


# ---- bad input ----

BAD = {
    "missing column": ("a,b\nx,y\n", ["--text", "review", "--label", "b"], 'found the columns "a", "b"', 2),
    "empty file": ("", [], "expected", 2),
    "one class only": ("sentiment,review\ngood,a film\ngood,b film\n", [], "at least two different labels", 2),
    "too many fields": ("sentiment,review\ngood,a\nbad,b,c\n", [], "line 3", 2),
    "out of range": ("sentiment,review\ngood,a\nbad,b\n", ["--dropout", "1.5"], "--dropout", 2),
    "share beyond 1": ("sentiment,review\ngood,a\nbad,b\n", ["--valid", "1.5"], "--valid", 2),
    "file for valid missing": ("sentiment,review\ngood,a\nbad,b\n", ["--valid", "no.csv"], "no.csv", 2),
}


@pytest.mark.parametrize(("content", "options", "words", "code"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_clear_sentence(run, tmp_path, content, options, words, code):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    result = run("train", "classify", path, "--out", tmp_path / "m", *options)
    assert result.code == code
    assert result.out == ""
    assert words in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "m").exists()


def test_broken_json_is_named_by_its_line(run, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": \n')
    result = run("train", "classify", path, "--out", tmp_path / "m")
    assert result.code == 2
    assert f"{path}, line 2" in result.err


def test_a_label_that_training_lacks_is_named_by_its_line(run, reviews_file, tmp_path):
    held = tmp_path / "held.csv"
    held.write_text("sentiment,review\ngood,a film\nsoso,another film\n")
    result = run("train", "classify", reviews_file, "--valid", held, "--out", tmp_path / "m")
    assert result.code == 2
    assert f"{held}, line 3: expected one of the labels of the training data (bad, good), found 'soso'" in result.err


def test_no_room_on_the_disk(run, reviews_file, tmp_path, monkeypatch):
    from safetensors import SafetensorError

    from throughtime import storage

    def full(*_):  # as the library says it
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(storage, "save_file", full)
    result = run("train", "classify", reviews_file, "--out", tmp_path / "m", *SMALL)
    assert result.code == 1
    assert "No space left on device" in result.err


def test_minutes_are_those_of_the_whole_command(reviews_file, tmp_path):
    begun = time.monotonic()
    process = start("train", "classify", reviews_file, "--out", tmp_path / "m", *SMALL[:4], "--minutes", "0.3")
    _, said = process.communicate()
    taken = time.monotonic() - begun
    assert process.returncode == 0
    assert "(--minutes)" in said
    # What else runs here while it is timed may make it end early, and what runs while it closes late.
    assert 18 * 0.5 < taken < 18 * 1.5
    assert tt.load(tmp_path / "m").predict(["a lovely warm film"]) == ["good"]


# ---- what was there before is not lost ----


@pytest.mark.parametrize(
    "spoil", [["--valid", "held.csv"], ["--patience", "2", "--valid", "0"], ["--min-count", "9999"]]
)
def test_overwrite_keeps_the_old_model_until_nothing_can_be_wrong_with_the_new_data(
    run, trained, model, tmp_path, monkeypatch, spoil
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "held.csv").write_text("sentiment,review\nsoso,a film\n")
    result = run("train", "classify", trained / "reviews.csv", "--out", model, "--overwrite", *SMALL, *spoil)
    assert result.code == 2
    assert tt.load(model).predict(["a lovely warm film"]) == ["good"]


@pytest.mark.parametrize("mine", ["README.md", "checkpoints/mine.pt"])
def test_a_folder_that_is_no_models_is_left_alone(run, reviews_file, tmp_path, mine):
    path = tmp_path / "user" / mine
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    for words in ([], ["--overwrite"], ["--resume"]):
        result = run("train", "classify", reviews_file, "--out", tmp_path / "user", *SMALL, *words)
        assert result.code == 2
        assert "expected a new folder or a model's, found" in result.err
    assert path.read_text() == "mine"


def test_overwrite_of_an_unfinished_run_begins_anew(run, reviews_file, tmp_path, monkeypatch):
    out, fresh = tmp_path / "m", tmp_path / "fresh"
    stopped_early(run, reviews_file, out, monkeypatch)
    for folder in (out, fresh):
        result = run(*words_for(reviews_file, folder, "--seed", "8", "--epochs", "2"), "--overwrite")
        assert result.code == 0
        assert "going on" not in result.err
    assert (out / "model.safetensors").read_bytes() == (fresh / "model.safetensors").read_bytes()


@pytest.mark.parametrize("options", [["--one-hot"], ["--tokens", "char"]])
def test_settings_that_decide_others_resume_too(run, reviews_file, tmp_path, monkeypatch, options):
    out, whole = tmp_path / "m", tmp_path / "whole"
    from throughtime.cli import progress

    def stop(*_):
        raise KeyboardInterrupt

    words = [*options, "--epochs", "2"]
    monkeypatch.setattr(progress.ProgressScreen, "evaluated", stop)
    assert run(*words_for(reviews_file, out, *words)).code == 1
    monkeypatch.undo()
    assert run(*words_for(reviews_file, out, *words), "--resume").code == 0
    assert run(*words_for(reviews_file, whole, *words)).code == 0
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_square_brackets_are_nothing_special(run, tmp_path):
    path = tmp_path / "[red]file.csv"
    path.write_text("sentiment,review\n" + "".join(f"[b]{a}[/b],{b}\n" for a, b in reviews(60)))
    out = tmp_path / "m"
    result = run("train", "classify", path, "--out", out, *SMALL, "--epochs", 1)
    assert result.code == 0
    assert "[red]file.csv" in result.err
    assert "[b]good[/b]" in run("inspect", out).out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", "9" * 30], "--seed"),
        (["--lr", "inf"], "--lr"),
        (["--minutes", "inf"], "--minutes"),
        (["--valid", ""], "--valid"),
        (["--out", "reviews.csv"], "found a file"),
        (["--out", "reviews.csv/x"], "reviews.csv"),
        (["--resume", "--overwrite"], "found both"),
    ],
)
def test_options_that_cannot_be(run, reviews_file, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    result = run("train", "classify", "reviews.csv", "--out", "m", *SMALL, *options)
    assert result.code in (1, 2)
    assert words in result.err
    assert "Traceback" not in result.err


def test_what_looks_wrong_is_told_and_strict_refuses_it(run, tmp_path):
    path = tmp_path / "twice.csv"
    rows = [f"{label},{text}\n" for label, text in reviews(60)]
    path.write_text("sentiment,review\n" + "".join([*rows, rows[7]]))
    words = ("train", "classify", path, "--out", tmp_path / "m", *SMALL, "--epochs", 1)
    result = run(*words, "--strict")
    assert result.code == 2
    assert "expected data without warnings (--strict), found: " in result.err
    assert "(as line 9)" in result.err
    assert not (tmp_path / "m").exists()
    result = run(*words)
    assert result.code == 0
    assert "repeat" in result.err


def test_the_report_tells_how_far_back_the_model_reaches(trained):
    page = (trained / "model" / "report.html").read_text()
    assert "How far back it reaches" in page
    assert "This model reaches" in page
    before, after = json.loads((trained / "model" / "config.json").read_text())["result"]["reach"]
    assert before["layers"][0]["norms"] != after["layers"][0]["norms"]


@pytest.mark.parametrize(
    ("bound", "train", "valid", "said"),
    [
        ("--minutes", [2.0, 1.8, 1.6], [1.0, 1.2, 1.4], True),
        ("--minutes", [2.0, 1.8, 1.6], [1.4, 1.0, 1.06], True),
        ("--minutes", [2.0, 1.8, 1.6], [1.4, 1.0, 1.04], False),  # it wavers
        ("--minutes", [2.0, 1.8, 1.7, 1.6], [1.4, 1.2, 1.0, 1.4], False),  # late in the run
        ("--minutes", [2.0, 5.0, 9.0], [1.0, 5.0, 9.0], False),  # it diverged
        ("--epochs", [2.0, 1.8, 1.6], [1.0, 1.2, 1.4], False),  # nobody gave it the time
    ],
)
def test_minutes_that_went_into_learning_by_heart_are_told(bound, train, valid, said):
    history = [
        Record(10 * n, n, loss, 1.0, 0.0, 0.1, 60.0 * n, {"loss": held}, held == min(valid))
        for n, (loss, held) in enumerate(zip(train, valid, strict=True), 1)
    ]
    best = next(record for record in history if record.best)
    plan = Plan(30, 10, bound, None, 180.0, 180.0)
    told = _kept(Outcome(plan, "done", best, history, 180.0))
    assert told.startswith(f"The weights of update {best.update} did best and are kept.")
    assert (f"after {best.epoch} min was learning by heart: more --dropout" in told.replace(" 0 s", "")) == said
