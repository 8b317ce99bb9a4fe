"""``train generate`` on music and what its models do, as a person uses them, and misuses them."""

import json
import random
import shutil

import pytest

import throughtime as tt
from throughtime.cli.main import main
from throughtime.data.midi import read_midi, write_midi
from throughtime.data.piece import Piece
from throughtime.model import ComposerModel

SMALL = ["--hidden-size", "32", "--lr", "0.03", "--batch-size", "4", "--dropout", "0", "--average", "0.9"]
CHORDS = [*SMALL, "--input-dropout", "0", "--weight-drop", "0"]
EVENTS = ["--tokens", "event", *SMALL, "--embedding-size", "8", "--chunk", "24"]
WAY = [(60, 64, 67), (60, 65, 69), (59, 62, 67), (60, 64, 67)]


def tune(seed):
    """Four chords that always follow each other, from any of them on."""
    draw = random.Random(seed)
    begin = draw.randrange(4)
    return [WAY[(begin + step) % 4] for step in range(draw.randrange(6, 14))]


@pytest.fixture(scope="session")
def music(tmp_path_factory):
    """A folder with ``tunes.json``, which brings its parts, ``more.json``, and the model ``chords``."""
    folder = tmp_path_factory.mktemp("music")
    parts = {name: [tune(seed) for seed in seeds] for name, seeds in SEEDS.items()}
    (folder / "tunes.json").write_text(json.dumps(parts))
    (folder / "more.json").write_text(json.dumps([tune(seed) for seed in range(90, 96)]))
    words = ["train", "generate", folder / "tunes.json", "--out", folder / "chords", "--quiet", *CHORDS]
    assert main([str(word) for word in (*words, "--epochs", "12")]) == 0
    return folder


@pytest.fixture(scope="session")
def events(music):
    """A model of their events."""
    words = ["train", "generate", music / "tunes.json", "--out", music / "events", "--quiet", *EVENTS]
    assert main([str(word) for word in (*words, "--epochs", "45")]) == 0
    return music / "events"


SEEDS = {"train": range(30), "valid": range(40, 46), "test": range(50, 57)}


def test_the_run_says_what_it_did_and_what_to_do_next(run, music, tmp_path):
    code, _, err = run("train", "generate", music / "tunes.json", "--out", tmp_path / "m", *CHORDS, "--epochs", "1")
    assert code == 0
    assert "43 pieces, read as json" in err
    assert "its own part test is taken: 7 pieces" in err
    assert "30 to learn from, 6 to choose by, 7 to test on" in err
    assert "guessing each pitch by its frequency alone costs" in err
    for word in ("generate", "score", "evaluate", "inspect"):
        assert f"throughtime {word} {tmp_path / 'm'}" in err
    assert "complete" not in err
    card = (tmp_path / "m" / "README.md").read_text()
    assert "throughtime generate DIR --out new.mid" in card
    assert "Any chord of the 88 pitches from A0 to C8." in card
    page = (tmp_path / "m" / "report.html").read_text()
    for words in ("Nats a frame on the test data", "What it writes", "The hardest pitches", "How many notes at once"):
        assert words in page
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert config["task"] == "compose"
    assert [config["data"][part]["rows"] for part in SEEDS] == [30, 6, 7]


def test_the_defaults_are_those_of_music(run, music, tmp_path):
    words = ["train", "generate", music / "tunes.json", "--out", tmp_path / "m", "--updates", "1", "--quiet"]
    assert run(*words).code == 0
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    assert (config["network"]["cell"], config["network"]["hidden_size"]) == ("lstm", 300)
    assert (config["train"]["average"], config["train"]["batch_size"]) == (0.99, 16)
    assert "embedding_size" not in config["network"]


def test_what_was_learnt_is_told(run, music):
    code, out, err = run("evaluate", music / "chords", music / "tunes.json", "--json")
    assert code == 0
    found = json.loads(out)
    assert {"nll", "frames", "sequences"} <= set(found)
    assert found["sequences"] == 7
    assert found["frames"] == sum(len(tune(seed)) for seed in SEEDS["test"])
    assert found["nll"] < 1  # the first chord alone is a guess among four
    assert "its part test is taken: 7 pieces" in err
    every = json.loads(run("evaluate", music / "chords", music / "tunes.json", "--json", "--part", "all").out)
    assert every["sequences"] == 43
    other = json.loads(run("evaluate", music / "chords", music / "more.json", "--json").out)
    assert other["sequences"] == 6
    refused = run("evaluate", music / "chords", music / "more.json", "--part", "valid")
    assert (refused.code, "--part: expected train or all, found valid" in refused.err) == (2, True)


def test_pieces_are_scored(run, music, tmp_path):
    steps = [tune(1), tune(1)[::-1]]
    (tmp_path / "two.json").write_text(json.dumps(steps))
    code, out, err = run("score", music / "chords", tmp_path / "two.json")
    assert code == 0
    head, *rows = [line.split("\t") for line in out.splitlines()]
    assert head == ["log_probability", "nll", "frames", "part", "piece"]
    assert [row[2:] for row in rows] == [[str(len(own)), "", str(number)] for number, own in enumerate(steps, 1)]
    assert float(rows[0][0]) > float(rows[1][0])
    assert "2 pieces: log probability" in err
    found = json.loads(run("score", music / "chords", tmp_path / "two.json", "--json").out)
    measured = json.loads(run("evaluate", music / "chords", tmp_path / "two.json", "--json").out)
    assert found["all"]["nll"] == pytest.approx(measured["nll"], rel=1e-5)
    assert [piece["nll"] for piece in found["pieces"]] == pytest.approx([float(row[1]) for row in rows], abs=1e-4)
    assert run("score", music / "chords", music / "tunes.json").out.splitlines()[-1].split("\t")[3:] == ["test", "7"]


def test_new_music_goes_to_midi_files(run, music, tmp_path):
    words = ["generate", music / "chords", "--length", "20", "--seed", "3"]
    code, _, err = run(*words, "--out", tmp_path / "new.mid")
    assert code == 0
    assert f"{tmp_path / 'new.mid'}: 20 steps (20 quarter notes)" in err
    assert f"throughtime score {music / 'chords'} {tmp_path / 'new.mid'}" in err
    first = (tmp_path / "new.mid").read_bytes()
    refused = run(*words, "--out", tmp_path / "new.mid")
    assert (refused.code, "already exists: --overwrite replaces it" in refused.err) == (2, True)
    assert run(*words, "--out", tmp_path / "new.mid", "--overwrite").code == 0
    assert (tmp_path / "new.mid").read_bytes() == first
    code, out, _ = run(*words, "--out", tmp_path / "new.mid", "--samples", "5", "--json")
    assert code == 0
    assert json.loads(out)["files"] == [str(tmp_path / f"new-{number}.mid") for number in range(1, 6)]
    assert (tmp_path / "new-1.mid").read_bytes() == first
    assert len({(tmp_path / f"new-{number}.mid").read_bytes() for number in range(1, 6)}) > 1


def test_what_is_written_is_what_was_learnt(music):
    model = tt.load(music / "chords")
    assert isinstance(model, ComposerModel)
    [piece] = model.generate(length=12, temperature=0)
    at = WAY.index(piece.steps[0])
    assert [WAY.index(step) for step in piece.steps][1:3] == [(at + 1) % 4, (at + 2) % 4] or at in (0, 3)
    pieces = model.generate(samples=8, seed=2)
    assert {len(piece) for piece in pieces} == {model.task.targets.length}
    assert {len(step) for piece in pieces for step in piece.steps} == {3}


def test_a_prompt_is_gone_on_from(run, music, tmp_path):
    write_midi(tmp_path / "begin.mid", Piece([WAY[1], WAY[2], WAY[3], (72,)]))
    words = ["generate", music / "chords", "--prompt", tmp_path / "begin.mid", "--temperature", "0", "--length", "2"]
    code, _, err = run(*words, "--prompt-steps", "3", "--out", tmp_path / "new.mid")
    assert code == 0
    assert "begins with its first 3 steps" in err
    assert read_midi(tmp_path / "new.mid", 1.0).steps[:4] == [*WAY[1:], WAY[0]]
    assert len(read_midi(tmp_path / "new.mid", 1.0)) == 5
    code, _, err = run(*words[:2], "--prompt", music / "tunes.json", "--length", "1", "--out", tmp_path / "other.mid")
    assert code == 0
    assert "begins with the first of its 43 pieces" in err
    assert read_midi(tmp_path / "other.mid", 1.0).steps[:-1] == tune(0)[:16]


def test_a_folder_of_midi_files_is_parted_by_the_seed(run, tmp_path):
    (tmp_path / "tunes").mkdir()
    for seed in range(12):
        write_midi(tmp_path / "tunes" / f"{seed}.mid", Piece(tune(seed)))
    words = ["train", "generate", tmp_path / "tunes", *CHORDS, "--step", "1", "--epochs", "1", "--test", "0.25"]
    code, _, err = run(*words, "--out", tmp_path / "m")
    assert code == 0, err
    assert "12 pieces, read as midi" in err
    assert "8 to learn from, 1 to choose by, 3 to test on" in err
    code, out, _ = run("evaluate", tmp_path / "m", tmp_path / "tunes" / "3.mid", "--json")
    assert code == 0
    assert json.loads(out)["frames"] == len(tune(3))


def test_a_stopped_run_goes_on_to_the_same_bytes(run, music, tmp_path, monkeypatch):
    from throughtime.cli import progress

    words = [
        "train",
        "generate",
        music / "tunes.json",
        "--hidden-size",
        "24",
        "--epochs",
        "3",
        "--checkpoint-seconds",
        "0",
    ]
    assert run(*words, "--out", tmp_path / "whole").code == 0

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.ProgressScreen, "evaluated", stop)
    assert run(*words, "--out", tmp_path / "again").code == 1
    monkeypatch.undo()
    assert "going on from the checkpoint" in run(*words, "--out", tmp_path / "again", "--resume").err
    for name in ("model.safetensors", "rolls.json", "labels.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert "nothing is left to do" in run(*words, "--out", tmp_path / "again", "--resume").err
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    (tmp_path / "again" / "config.json").write_text(json.dumps(config | {"files": {}}))
    other = [music / "more.json" if word == music / "tunes.json" else word for word in words]
    assert "expected the train data" in run(*other, "--out", tmp_path / "again", "--resume").err


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("tunes.json", ["--tie-weights"], "--tie-weights: expected text, or --tokens event, found music in"),
        ("tunes.json", ["--tokens", "word"], "--tokens: expected text, or --tokens event, found music in"),
        ("tunes.json", ["--by", "line"], "--by: expected an option that music has"),
        ("tunes.json", ["--tokens", "event", "--keys", "met"], "--keys: expected an option that events have"),
        ("tunes.json", ["--tokens", "event", "--lowercase"], "--lowercase: expected an option that events have"),
        ("text.txt", ["--step", "1"], "--step: expected music, found other content in"),
        ("text.txt", ["--tokens", "event"], "--tokens event: expected music, found other content in"),
        ("tunes.json", ["--valid", "2"], "--valid: expected a file, or a share from 0 to 1, found 2"),
        ("tunes.json", ["--step", "-1"], "--step: expected a value greater than 0"),
        ("empty.json", [], "expected music, found not one note"),
        ("test.json", [], "expected a part train to learn from, found test"),
        ("one.json", [], "one.json: expected two rows or more to hold some out, found one"),
        ("broken.mid", [], "expected a whole MIDI file"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(run, music, tmp_path, file, options, words):
    contents = {"text.txt": b"a text\n", "empty.json": b"[[[]]]", "one.json": b"[[[60]]]", "broken.mid": b"MThd"}
    contents["test.json"] = b'{"test": [[[60]]]}'
    if file in contents:
        (tmp_path / file).write_bytes(contents[file])
    path = tmp_path / file if file in contents else music / file
    code, out, err = run("train", "generate", path, "--out", tmp_path / "m", "--quiet", *options)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1
    assert not out
    assert not (tmp_path / "m").exists()


def test_what_the_user_holds_out_comes_before_the_files_own_parts(run, music, tmp_path):
    words = ["train", "generate", music / "tunes.json", "--out", tmp_path / "m", *CHORDS, "--epochs", "1"]
    code, _, err = run(*words, "--valid", "0", "--test", music / "more.json")
    assert code == 0
    assert "its own part valid is left out, since --valid says 0: 6 pieces" in err
    assert "30 to learn from, 6 to test on" in err


def test_without_anything_held_out_the_page_shows_what_is_made(run, music, tmp_path):
    words = ["train", "generate", music / "more.json", "--out", tmp_path / "m", *CHORDS, "--epochs", "1"]
    assert run(*words, "--valid", "0").code == 0
    page = (tmp_path / "m" / "report.html").read_text()
    assert "Piano roll, Made" in page
    assert "Piano roll, Real" not in page


def test_another_grid_is_told(run, music, events, tmp_path):
    (tmp_path / "tunes-16th.json").write_text("[[[60]]]")
    told = "tunes-16th.json: expected steps of 1 quarter notes, found a name that says 0.25"
    for words in (["evaluate", music / "chords"], ["score", events]):
        code, _, err = run(*words, tmp_path / "tunes-16th.json")
        assert (code, told in err) == (2, True)


def test_pieces_in_two_parts_are_said(run, tmp_path):
    pieces = [tune(seed) for seed in range(6)]
    (tmp_path / "a.json").write_text(json.dumps({"train": pieces, "valid": [tune(9)], "test": [pieces[2], tune(8)]}))
    words = ["train", "generate", tmp_path / "a.json", "--out", tmp_path / "m", *CHORDS, "--epochs", "1"]
    assert "1 of the test data's 2 pieces is a piece of the training data too" in run(*words).err
    code, _, err = run(*words, "--overwrite", "--strict")
    assert (code, "expected data without warnings (--strict)" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--out: expected the MIDI file that the music goes to, found none"),
        (["--out", "new.wav"], "expected a name that ends in .mid"),
        (["--out", "none/new.mid"], "expected a folder none, found none"),
        (["--out", "a.mid", "--endless"], "--endless: expected a model of text, found one of music"),
        (["--out", "a.mid", "--top-p", "0.5"], "--top-p: expected a model that chooses symbols, found one of chords"),
        (["--out", "a.mid", "--prompt-steps", "3"], "--prompt-steps: expected a --prompt to take them from"),
        (["--out", "a.mid", "--prompt", "none.mid"], "none.mid"),
        (["--out", "a.mid", "--seed", "-1"], "--seed: expected a whole number from 0"),
    ],
)
def test_wishes_that_do_not_fit(run, music, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("generate", music / "chords", *options)
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_model_of_text_writes_no_midi_and_one_of_music_completes_and_predicts_nothing(run, music, events, tmp_path):
    (tmp_path / "text.txt").write_text("a text of a few words\n" * 20)
    words = [
        "train",
        "generate",
        tmp_path / "text.txt",
        "--out",
        tmp_path / "m",
        "--updates",
        "1",
        "--hidden-size",
        "4",
    ]
    assert run(*words).code == 0
    refused = run("generate", tmp_path / "m", "--out", tmp_path / "a.mid")
    assert (refused.code, "--out: expected a model of music, found one of text" in refused.err) == (2, True)
    assert (
        "--part: expected a model of music"
        in run("evaluate", tmp_path / "m", tmp_path / "text.txt", "--part", "all").err
    )
    for model in (music / "chords", events):
        assert "expected a language model of text, found one of music" in run("complete", model).err
    assert (
        "found one of music: use throughtime generate, score"
        in run("predict", music / "chords", music / "more.json").err
    )


def test_a_pitch_beyond_the_keys_has_its_place(run, music, tmp_path):
    (tmp_path / "low.json").write_text("[[[60], [3]]]")
    code, _, err = run("evaluate", music / "chords", tmp_path / "low.json", "--json")
    assert code == 2
    assert "low.json, piece 1: step 2: expected pitches from 21 to 108, found 3" in err


def test_the_model_is_shown_and_does_not_hang_on_the_batch(run, music):
    out = run("inspect", music / "chords").out
    assert "what sounds next" in out
    assert "88, A0 to C8" in out
    assert json.loads(run("inspect", music / "chords", "--json").out)["task"] == "compose"
    for file in ((), (music / "more.json",)):
        code, out, _ = run("verify", music / "chords", *file, "--rows", "20", "--json")
        assert code == 0
        assert json.loads(out)["largest"] <= 1e-6


def test_an_altered_range_is_told(run, music, tmp_path):
    shutil.copytree(music / "chords", tmp_path / "m")
    (tmp_path / "m" / "rolls.json").write_text('{"lowest": 20, "highest": 108, "quarters": 1.0}')
    code, _, err = run("inspect", tmp_path / "m")
    assert code == 2
    assert "rolls.json: expected hash" in err


# ---- as events ----


def test_events_are_learnt_measured_and_written(run, music, events, tmp_path):
    code, out, _ = run("evaluate", events, music / "tunes.json", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["sequences"] == 7
    assert found["nll"] < 0.8
    code, _, err = run("generate", events, "--out", tmp_path / "new.mid", "--length", "60", "--top-k", "3")
    assert code == 0
    assert "notes from" in err
    write_midi(tmp_path / "begin.mid", Piece(WAY[1:]))
    words = ["--prompt", tmp_path / "begin.mid", "--temperature", "0", "--length", "40"]
    assert run("generate", events, *words, "--out", tmp_path / "on.mid").code == 0
    assert read_midi(tmp_path / "on.mid", 1.0).steps[:3] == WAY[1:]
    head, *rows = [line.split("\t") for line in run("score", events, music / "more.json").out.splitlines()]
    assert head[2] == "tokens"
    assert len(rows) == 6


def test_the_page_and_the_card_of_events_speak_of_music(run, events):
    page, card = ((events / name).read_text() for name in ("report.html", "README.md"))
    assert "Piano roll, made" in page
    assert "Nats an event" in page
    assert "throughtime generate DIR --out new.mid" in card
    assert "Any music." in card
    assert "event" in run("inspect", events).out


# ---- the chorales ----


def test_the_chorales_bring_their_parts(run, shared_data, tmp_path):
    path = shared_data / "jsb_chorales" / "jsb-chorales-quarter.json"
    words = ["train", "generate", path, "--out", tmp_path / "bach", *CHORDS, "--batch-size", "16", "--epochs", "1"]
    code, _, err = run(*words)
    assert code == 0, err
    assert "229 to learn from, 76 to choose by, 77 to test on" in err
    found = json.loads(run("evaluate", tmp_path / "bach", path, "--json").out)
    assert (found["frames"], found["sequences"]) == (4725, 77)
    assert found["nll"] < tt.load(tmp_path / "bach").task.targets.guessing < 11.1


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_plain_defaults_reach_the_literature(run, shared_data, tmp_path):
    path = shared_data / "jsb_chorales" / "jsb-chorales-quarter.json"
    assert run("train", "generate", path, "--out", tmp_path / "bach", "--threads", "1").code == 0
    # Bai et al. (2018), table 1: an LSTM.
    assert json.loads(run("evaluate", tmp_path / "bach", path, "--json").out)["nll"] <= 8.45
