"""A run in one process: resumed to the bit, stopped by each rule, saved from NaN."""

import copy
import dataclasses
import json
import math
import os
import time

import pytest
import torch

from tests.conftest import reviews
from throughtime.data.batches import Batches, Dataset
from throughtime.data.columns import Example
from throughtime.data.encoded import encode_texts
from throughtime.data.vocabulary import Vocabulary, VocabularyConfig
from throughtime.errors import NonFiniteLossError, TrainingError
from throughtime.tasks import Classes, Classifier, ClassifierConfig
from throughtime.train import checkpoint as checkpoints
from throughtime.train import timing
from throughtime.train.config import TrainConfig
from throughtime.train.protocol import Listener
from throughtime.train.run import Run

CLASSES = Classes(["bad", "good"])
SMALL = ClassifierConfig(hidden_size=8, embedding_size=8, recurrent_dropout=0.2)


class Kill(Exception):
    """Stands in for a process that is gone."""


class KillAt(Listener):
    def __init__(self, update):
        self.update = update

    def stepped(self, step, progress):
        if progress.updates == self.update:
            raise Kill


def encoded(examples, vocabulary):
    return Dataset(encode_texts(examples, vocabulary).inputs, CLASSES.encode(examples), examples)


def make_run(folder=None, listener=None, valid=True, config=SMALL, rows=120, **settings):
    examples = [Example(text, label, "made.csv", line) for line, (label, text) in enumerate(reviews(rows), 2)]
    vocabulary = Vocabulary.learn([e.text for e in examples], VocabularyConfig(spelling=False))
    data = encoded(examples[: rows * 4 // 5], vocabulary)
    held = encoded(examples[rows * 4 // 5 :], vocabulary)
    torch.manual_seed(3)
    task = Classifier(config, len(vocabulary), CLASSES, vocabulary.counts(data.inputs))
    settings = {"lr": 0.01, "batch_tokens": 100, "epochs": 4, "checkpoint_seconds": 0.0, **settings}
    return Run(
        task,
        Batches(data, settings["batch_tokens"], seed=5),
        Batches(held, 500) if valid else None,
        TrainConfig(**settings),
        folder=folder,
        listener=listener,
        deadline=None if settings.get("minutes") is None else time.monotonic() + 60 * settings["minutes"],
    )


def go(run):
    run.prepare()
    return run.go()


def test_little_data_is_passed_over_until_the_least_updates():
    runs = [make_run(epochs=2, least_updates=least) for least in (None, 1, 100)]
    for run in runs:
        run.prepare()
    usual, unchanged, more = (run.plan for run in runs)
    assert usual.updates == unchanged.updates == 2 * usual.per_epoch
    assert more.updates >= 100 > more.updates - more.per_epoch
    assert more.updates % more.per_epoch == 0
    assert more.epochs == more.updates // more.per_epoch


def test_what_a_task_says_of_the_end_gives_way_to_what_the_user_says():
    usual = {"epochs": 6, "least_updates": 300}
    for given in ({"epochs": 3}, {"updates": 7}, {"minutes": 1}):
        assert TrainConfig(**given).settled_with(usual) == TrainConfig(**given)
    kept = TrainConfig(optimizer="sgd").settled_with(usual | {"weight_decay": 0.1})
    assert (kept.epochs, kept.least_updates, kept.weight_decay) == (6, 300, 0.0)


def weights(run):
    return {name: weight.detach().clone() for name, weight in run.task.named_parameters()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"average": 0.0, "valid": False}, {"average_after": 1, "lr": 0.2, "schedule": "constant"}],
    ids=["averaged", "plain-no-validation", "averaged-evenly"],
)
def test_a_killed_run_resumes_to_the_same_weights(tmp_path, optimizer, settings):
    whole = make_run(optimizer=optimizer, **settings)
    outcome = go(whole)
    for kill_at in (1, 17, 30):
        with pytest.raises(Kill):
            go(make_run(tmp_path, KillAt(kill_at), optimizer=optimizer, **settings))
    resumed = make_run(tmp_path, optimizer=optimizer, **settings)
    torch.manual_seed(99)  # whatever state the new process is in
    assert resumed.prepare() == 29  # the update before the kill was the last one saved
    again = resumed.go()
    assert_same(weights(resumed), weights(whole))
    assert [(r.update, r.loss, r.valid) for r in again.history] == [
        (r.update, r.loss, r.valid) for r in outcome.history
    ]


def test_a_batch_says_which_update_it_is_for(tmp_path):
    def heard(run):
        seen, loss = [], run.task.loss
        run.task.loss = lambda batch, state: seen.append(batch.update) or loss(batch, state)
        return seen

    with pytest.raises(Kill):
        go(make_run(tmp_path, KillAt(17)))
    resumed = make_run(tmp_path)
    assert resumed.prepare() == 16
    seen = heard(resumed)
    resumed.go()
    assert seen == list(range(16, resumed.place.update))


def test_same_seed_same_weights_and_timing_leaves_no_trace():
    one = make_run()
    go(one)
    other = make_run()
    go(other)
    assert_same(weights(one), weights(other))


def test_a_damaged_checkpoint_is_found_out_and_the_one_before_it_used(tmp_path):
    whole = make_run()
    go(whole)
    with pytest.raises(Kill):
        go(make_run(tmp_path, KillAt(20)))
    before, newest = sorted((tmp_path / "checkpoints").iterdir())
    content = bytearray((newest / "tensors.safetensors").read_bytes())
    content[-5] ^= 1
    (newest / "tensors.safetensors").write_bytes(content)
    said = []
    listener = Listener()
    listener.noticed = said.append
    resumed = make_run(tmp_path, listener)
    assert resumed.prepare() == int(before.name.removeprefix("update-"))
    resumed.go()
    assert len(said) == 1
    assert "update-000000019" in said[0]
    assert "cut short or altered" in said[0]
    assert_same(weights(resumed), weights(whole))


@pytest.mark.parametrize("part", ["state.json", "tensors.safetensors"])
@pytest.mark.parametrize("size", [0, 30])
def test_a_checkpoint_cut_short_is_found_out(tmp_path, part, size):
    with pytest.raises(Kill):
        go(make_run(tmp_path, KillAt(5)))
    before, newest = sorted((tmp_path / "checkpoints").iterdir())
    (newest / part).write_bytes((newest / part).read_bytes()[:size])
    found, warnings = checkpoints.latest_checkpoint(tmp_path / "checkpoints")
    assert found.state["place"]["update"] == int(before.name.removeprefix("update-"))
    assert len(warnings) == 1


def test_a_checkpoint_is_found_in_a_folder_of_any_name(tmp_path):
    folder = tmp_path / os.fsdecode(b"m\xff")
    checkpoints.save_checkpoint(folder, 3, {"place": 3}, {"weights": torch.arange(4.0)})
    found, warnings = checkpoints.latest_checkpoint(folder)
    assert warnings == []
    assert (found.state, found.tensors["weights"].tolist()) == ({"place": 3}, [0.0, 1.0, 2.0, 3.0])


def test_a_full_disk_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    run = make_run(tmp_path)
    run.prepare()
    monkeypatch.setattr(checkpoints, "write_tensors", full)
    with pytest.raises(TrainingError, match="No space left on device; what was saved before is kept"):
        run.go()
    monkeypatch.undo()
    assert make_run(tmp_path).prepare() == 0


# ---- stop rules ----


def test_stops_after_epochs():
    run = make_run(epochs=2)
    outcome = go(run)
    assert outcome.reason == "2 epochs are done (--epochs)"
    assert (run.place.epoch, run.place.batch) == (2, 0)


def test_stops_after_updates_and_evaluates_there():
    outcome = go(make_run(epochs=None, updates=7))
    assert outcome.reason == "7 updates are done (--updates)"
    assert outcome.history[-1].update == 7


def test_stops_below_a_loss():
    outcome = go(make_run(epochs=40, until_loss=0.3))
    assert "below 0.3 (--until-loss)" in outcome.reason
    assert outcome.history[-1].loss < 0.3
    assert all(record.loss >= 0.3 for record in outcome.history[:-1])


def test_stops_when_the_loss_is_zero():
    run = make_run()
    run.task.loss = lambda batch, state=None: (0 * sum(p.sum() for p in run.task.parameters()), state)
    assert go(run).reason == "the training loss is zero"


def test_stops_out_of_patience_with_the_best_weights():
    run = make_run(epochs=30, patience=2)
    scores = iter([0.5, 0.7, 0.6, 0.7, 0.9])
    kept = []

    def evaluate(batches):
        kept.append(copy.deepcopy(weights(run)))
        return {"accuracy": next(scores), "loss": 1.0}

    run.task.evaluate = evaluate
    run.prepare()
    scores, kept = iter([0.5, 0.7, 0.6, 0.7, 0.9]), []  # preparing times one evaluation, on a copy
    run.task.evaluate = evaluate
    outcome = run.go()
    assert outcome.reason == "no better validation score in 2 evaluations (--patience)"
    assert [record.best for record in outcome.history] == [True, True, False, False]
    assert_same(weights(run), kept[1])


def test_minutes_are_kept_by_a_number_of_updates_fixed_beforehand(tmp_path):
    begun = time.monotonic()
    run = make_run(tmp_path, epochs=None, minutes=0.15, rows=600, checkpoint_seconds=1.0)
    outcome = go(run)
    assert 0.5 * 9 < time.monotonic() - begun < 1.1 * 9  # what else runs here while it is timed may make it end early
    assert "(--minutes)" in outcome.reason
    state = json.loads(next((tmp_path / "checkpoints").glob("*/state.json")).read_text())["state"]
    assert state["plan"]["bound"] == "--minutes"
    assert state["plan"]["updates"] == run.plan.updates


# ---- learning ----


def test_an_even_average_begins_when_nothing_gets_better_and_is_the_mean_since(monkeypatch):
    run = make_run(optimizer="sgd", momentum=0.0, lr=2.0, schedule="constant", average_after=1, epochs=8)
    since = []
    update = run.average.update

    def watched():
        update()
        if run.average.begun:
            since.append(weights(run))
        else:
            before.update(weights(run))

    before = {}
    monkeypatch.setattr(run.average, "update", watched)
    outcome = go(run)
    first = next(number for number, record in enumerate(outcome.history) if not record.best)
    assert len(since) == outcome.history[-1].update - outcome.history[first].update > 0
    for name, average in run.average.average.items():
        mean = torch.stack([before[name], *(own[name] for own in since)]).mean(0)
        torch.testing.assert_close(average, mean)


def test_learns():
    run = make_run(rows=300, epochs=8)
    outcome = go(run)
    assert outcome.best.valid["accuracy"] > 0.95
    assert outcome.history[-1].loss < outcome.history[0].loss


def test_a_loss_that_is_not_finite_stops_before_the_weights_and_names_the_rows(tmp_path):
    run = make_run(tmp_path)
    run.prepare()
    real, calls = run.task.loss, []

    def loss(batch, state=None):
        calls.append(batch.rows)
        value, state = real(batch, state)
        return (value * math.nan if len(calls) == 9 else value), state

    run.task.loss = loss
    with pytest.raises(NonFiniteLossError) as caught:
        run.go()
    assert "found loss nan at update 9 (epoch 1)" in str(caught.value)
    assert f"made.csv line {calls[8][0] + 2}" in str(caught.value)
    assert all(weight.isfinite().all() for weight in run.task.parameters())
    assert make_run(tmp_path).prepare() == 8


@pytest.mark.parametrize(("clip", "clipped"), [({"clip_norm": 1e-3}, 1.0), ({"clip_norm": 1e3}, 0.0)])
def test_the_clipped_share_is_reported(clip, clipped):
    assert go(make_run(**clip)).best.clipped == clipped


def test_clipping_by_value_bounds_each_element():
    run = make_run(
        clip_norm=None, clip_value=1e-4, optimizer="sgd", momentum=0.0, lr=1.0, schedule="constant", updates=1
    )
    run.prepare()
    before = weights(run)
    largest = []
    run.listener.stepped = lambda *_: largest.append(
        max(float((weight - before[name]).abs().max()) for name, weight in weights(run).items())
    )
    outcome = run.go()
    assert largest[0] == pytest.approx(1e-4, rel=0.01)  # the rate is 1
    assert outcome.history[0].clipped == 1.0


def test_no_checkpoint_holds_a_pickle(tmp_path):
    go(make_run(tmp_path, epochs=1))
    names = {path.name for path in (tmp_path / "checkpoints").rglob("*") if path.is_file()}
    assert names == {"state.json", "tensors.safetensors"}


def test_checkpoints_beyond_a_damaged_one_give_way(tmp_path):
    with pytest.raises(Kill):
        go(make_run(tmp_path, KillAt(20)))
    for path in (tmp_path / "checkpoints").iterdir():
        (path / "state.json").write_text("[]")
    run = make_run(tmp_path)
    assert run.prepare() is None
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["update-000000000"]


def test_without_resume_old_checkpoints_are_not_used(tmp_path):
    with pytest.raises(Kill):
        go(make_run(tmp_path, KillAt(20)))
    run = make_run(tmp_path)
    run.resume = False
    assert run.prepare() is None


def test_a_machine_slower_than_it_was_timed_ends_the_run_with_a_usable_model():
    run = make_run(epochs=None, minutes=0.05)
    run.prepare()
    run.plan = dataclasses.replace(run.plan, updates=10**9, limit=0.2)
    outcome = run.go()
    assert "slower than it was timed (--minutes)" in outcome.reason
    assert outcome.history[-1].update == run.place.update > 0


def test_no_time_at_all_is_still_one_update():
    run = make_run(epochs=None, minutes=1e-9)
    run.prepare()
    assert run.plan.updates == 1
    assert run.go().history[-1].update == 1


def test_timing_does_not_fail_a_run_that_would_not():
    run = make_run(epochs=None, updates=1, lr=1e38)
    assert go(run).reason == "1 update is done (--updates)"


def test_updates_are_not_timed_for_as_long_as_an_evaluation_would_take(monkeypatch):
    monkeypatch.setattr(timing, "_time_evaluation", lambda trial, valid: 1000.0)
    run = make_run()
    found = timing.measure(run.task, run.batches, run.valid, run.config, seconds=0.1)
    assert found.evaluation == 1000
    assert found.spent < 20
