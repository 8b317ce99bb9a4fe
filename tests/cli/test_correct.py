"""``train translate --noise``: a corrector from right English alone, as a person makes and measures one."""

from __future__ import annotations

import csv
import gzip
import json

import pytest

import throughtime as tt
from throughtime.cli.main import main
from throughtime.data.pair import Pair
from throughtime.decode.beam import BeamConfig
from throughtime.decode.edits import Changes
from throughtime.model import Answer, read_config

QUICK = ["--hidden-size", "8", "--embedding-size", "8", "--epochs", "2", "--batch-size", "8", "--quiet"]
SENTENCES = [
    f"{who} {does} the {thing} in the {place} ."
    for who in ("She", "My friend")
    for does in ("has seen", "wants", "reads about")
    for thing in ("book", "car", "story")
    for place in ("city", "house")
]


@pytest.fixture(scope="session")
def corrector(tmp_path_factory):
    """A folder with ``right.txt``, corrected pairs ``essays.src``, ``essays.ref0``, ``essays.ref1``, and ``model/``."""
    folder = tmp_path_factory.mktemp("corrector")
    (folder / "right.txt").write_text("\n".join(SENTENCES) + "\n")
    (folder / "essays.src").write_text("She have seen book .\nHe wants the car .\n")
    (folder / "essays.ref0").write_text("She has seen the book .\nHe wants the car .\n")
    (folder / "essays.ref1").write_text("She has seen a book .\nHe wants a car .\n")
    assert train(folder / "right.txt", folder / "model", "--noise-rate", "0.3") == 0
    return folder


def train(file, out, *more):
    return main([str(word) for word in ("train", "translate", file, "--noise", "--out", out, *QUICK, *more)])


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_the_model_tells_how_its_sources_were_made(run, corrector):
    config = read_config(corrector / "model")
    assert config.noise is not None
    assert (config.noise.rate, config.noise.unchanged) == (0.3, 0.1)
    assert config.vocabulary.joint is True
    assert config.data["source"]["format"] == "lines"
    card = (corrector / "model" / "README.md").read_text()
    assert "10% of them as they are" in card
    assert "GLEU of the sources" in card
    assert "noise" in (corrector / "model" / "report.html").read_text().lower()
    assert "--noise-article" in run("train", "translate", "--help").out
    assert run("verify", corrector / "model", "--rows", "10").code == 0


def test_real_corrections_measure_it(run, corrector):
    said = ["evaluate", corrector / "model", corrector / "essays", "--source", "src", "--target", "ref"]
    found = json.loads(run(*said, "--json").out)
    assert found["pairs"] == 2
    assert found.keys() >= {"gleu", "gleu_source"}
    left = json.loads(run(*said, "--json", "--keep", "1e9").out)  # so sure it is of nothing
    assert left["gleu"] == left["gleu_source"] == found["gleu_source"] > 0
    assert "GLEU" in run(*said).out
    other = run("evaluate", corrector / "model", corrector / "right.txt", "--part", "test")
    assert "--part: expected a model of music" in other.err
    unsaid = run("evaluate", corrector / "model", corrector / "essays")
    assert unsaid.code == 2
    assert "expected --source, the ending of a file's name after essays., found none" in unsaid.err


def test_right_texts_measure_it_by_errors_that_are_always_the_same(run, corrector):
    said = ["evaluate", corrector / "model", corrector / "right.txt", "--json"]
    found = json.loads(run(*said).out)
    assert found == json.loads(run(*said).out)
    assert found["pairs"] == len(SENTENCES)
    assert found["gleu_source"] < 100


def test_texts_are_corrected_line_by_line(run, corrector, tmp_path):
    (tmp_path / "new.txt").write_text("She have book .\n\nHe  want car\n")
    result = run("predict", corrector / "model", tmp_path / "new.txt", "--keep", "1e9")
    assert result.out == "She have book .\n\nHe  want car\n"
    model = tt.load(corrector / "model")
    (answer,) = model.predict(["She have book ."])
    assert run("predict", corrector / "model", tmp_path / "new.txt").out.splitlines()[0] == answer


def test_a_change_of_few_words_is_kept_where_it_makes_the_answer_so_much_more_probable(corrector):
    model, text = tt.load(corrector / "model"), "She have seen book ."

    def nats(answer):
        found = model.task.evaluate(model.batches(model.encode([Pair(text, (answer,), "a.txt", 1)])))
        return found["nll"] * found["tokens"]

    whole = "He has seen the big old book today ."
    changes = Changes(text, whole)
    gains = [nats(other) - nats(whole) for other in changes.without_each()]
    assert len(set(gains)) > 1
    for keep in (-1e9, min(gains) + 1e-3, max(gains) - 1e-3, 1e9):
        (answer,) = model._sifted([text], [Answer(whole, 0.0, 0.0, cut=True)], BeamConfig(keep=keep))
        sure = (gain >= keep and change.size < 3 for change, gain in zip(changes.found, gains, strict=True))
        assert answer.text == changes.apply(sure)
        assert answer.log_probability == pytest.approx(-nats(answer.text), rel=1e-5)
        assert answer.cut == (answer.text != text)  # a source that is left as it was lacks nothing
    assert model.predict([text, ""], BeamConfig(keep=1e9)) == [text, ""]


def test_only_correctors_keep_words(run, corrector, tmp_path):
    (tmp_path / "new.txt").write_text("She have book .\n")
    said = ["predict", corrector / "model", tmp_path / "new.txt", "--keep", "1"]
    assert "--keep: expected one answer to a text, found 2 wanted" in run(*said, "--n-best", "2").err
    asked = run("translate", corrector / "model", "--keep", "1", "--prefix", "He")  # before anything was typed
    assert "--keep: expected answers that may begin as they like, found what they begin with" in asked.err
    (tmp_path / "pairs.tsv").write_text("".join(f"ab{n}\tba{n}\n" for n in range(9)))
    said = ["train", "translate", tmp_path / "pairs.tsv", "--out", tmp_path / "model", *QUICK]
    assert run(*said).code == 0
    refused = run("evaluate", tmp_path / "model", tmp_path / "pairs.tsv", "--keep", "1")
    assert "--keep: expected a model that corrects texts" in refused.err


@pytest.mark.parametrize("kept", ["folder", "right.csv"])
def test_texts_are_the_same_packed_in_a_folder_or_a_table(corrector, tmp_path, kept):
    path = tmp_path / kept
    more = []
    if kept == "folder":
        path.mkdir()
        (path / "a.txt").write_text("\n".join(SENTENCES[:20]) + "\n\n")
        (path / "b.txt.gz").write_bytes(gzip.compress("\n".join(SENTENCES[20:]).encode()))
    else:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("id", "sentence"), *enumerate(SENTENCES)])
        more = ["--target", "sentence"]
    assert train(path, tmp_path / "model", "--noise-rate", "0.3", *more) == 0
    assert weights(tmp_path / "model") == weights(corrector / "model")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--source", "src"], "--source: expected none with --noise, which makes the sources, found src"),
        (["--format", "dictionary"], "--format: expected lines or a table with --noise, found dictionary"),
        (["--no-stress"], "--stress: expected an option of pairs without --noise"),
        (["--noise-rate", "2"], "--noise-rate: expected a value less than or equal to 1, found 2"),
        (["--noise-rate", "0"], "expected English in which errors can be made (--noise), found none"),
        (["--no-noise", "--noise-rate", "0.1"], "--noise-rate: expected it beside --noise, found it alone"),
    ],
)
def test_what_means_nothing_is_refused(run, corrector, tmp_path, flags, words):
    said = ["train", "translate", corrector / "right.txt", "--noise", "--out", tmp_path / "model", *QUICK, *flags]
    result = run(*said)
    assert result.code == 2
    assert words in result.err
    assert not (tmp_path / "model").exists()


def test_other_texts_are_told_of(run, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "german.txt").write_text("".join(f"Wir gehen am {day} . Mai ans Meer .\n" for day in range(9)))
    (tmp_path / "greek.txt").write_text("".join(f"Ο σκύλος {day} κοιμάται στη θάλασσα\n" for day in range(9)))
    said = ["train", "translate", "--noise", "--strict", "--out", tmp_path / "model", *QUICK]
    assert "empty.txt" in run(*said, tmp_path / "empty.txt").err
    assert "expected English, whose errors are made" in run(*said, tmp_path / "german.txt").err
    assert "expected English" in run(*said, tmp_path / "greek.txt").err


def test_a_run_that_was_killed_goes_on_to_the_same_weights(corrector, tmp_path, monkeypatch):
    from throughtime.train.run import Run

    more = ["--noise-rate", "0.3", "--sampling", "inverse-sigmoid", "--sampling-half", "5", "--checkpoint-seconds", "0"]
    assert train(corrector / "right.txt", tmp_path / "whole", *more) == 0

    class Killed(Exception):
        pass

    count = Run._count

    def killed(self, step):
        count(self, step)
        if self.place.update == 7:  # in the second epoch, between two checkpoints
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_count", killed)
        with pytest.raises(Killed):
            train(corrector / "right.txt", tmp_path / "part", *more)
    assert train(corrector / "right.txt", tmp_path / "part", "--resume", *more) == 0
    assert weights(tmp_path / "part") == weights(tmp_path / "whole")
    assert weights(tmp_path / "part") != weights(corrector / "model")
