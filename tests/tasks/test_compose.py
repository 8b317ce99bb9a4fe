"""The next chord: its measure by hand, what is learnt without order, a killed run that goes on."""

import math

import pytest
import torch
from torch.nn import functional as F

from throughtime.data.batches import Batches
from throughtime.data.music import Frames, Rolls
from throughtime.data.piece import Piece
from throughtime.ragged import Ragged
from throughtime.tasks import Chords, Composer, ComposerConfig
from throughtime.train.config import TrainConfig
from throughtime.train.run import Run

ROLLS = Rolls(60, 67)
PIECES = [
    Piece([(60, 64, 67), (62, 65), (), (60, 64, 67), (61,)], path="a.json", number=1),
    Piece([(67,)], path="a.json", number=2),
    Piece([(60, 67), (60, 64), (62,)], path="a.json", number=3),
]


def frames(pieces=PIECES):
    return Frames(ROLLS.encode(pieces, torch.uint8), examples=pieces)


def composer(**options):
    torch.manual_seed(4)
    told = Chords.learn(frames().inputs)
    return Composer(ComposerConfig(hidden_size=6, **options), len(ROLLS), told)


def by_hand(task):
    """The nats of every frame, a piece at a time."""
    task.eval()
    nats = []
    with torch.no_grad():
        for piece in PIECES:
            own = ROLLS.encode([piece]).values
            scores, _ = task(Ragged.from_lengths(torch.cat([torch.zeros(1, 8), own[:-1]]), [len(own)]))
            nats += F.binary_cross_entropy_with_logits(scores, own, reduction="none").sum(1).tolist()
    return nats


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("budget", [1, 6, 100])
def test_the_measure_is_the_mean_over_all_frames(cell, budget):
    task = composer(cell=cell, num_layers=2)
    nats = by_hand(task)
    found = task.evaluate(Batches(frames(), budget))
    assert found["nll"] == found["loss"] == pytest.approx(sum(nats) / len(nats), rel=1e-5)
    assert (found["frames"], found["sequences"]) == (9, 3)
    [batch] = Batches(frames(), 100)
    loss, state = task.loss(batch)
    assert float(loss.detach()) == pytest.approx(found["nll"], rel=1e-5)
    assert state is None


def test_the_heard_scores_are_in_the_frames_own_order():
    task, heard = composer(), {}
    task.evaluate(Batches(frames(), 100), lambda batch, scores: heard.update({batch.rows: (batch, scores)}))
    [(batch, scores)] = heard.values()
    nats = F.binary_cross_entropy_with_logits(scores, batch.targets, reduction="none").sum(1)
    rows = batch.inputs.with_values(nats)
    found = {row: own.tolist() for row, own in zip(batch.rows, rows, strict=True)}
    assert found[0] + found[1] + found[2] == pytest.approx(by_hand(task), rel=1e-4)


def test_it_begins_with_what_each_pitch_is_worth():
    task = composer()
    torch.nn.init.zeros_(task.network.head.weight)
    # A pitch that is never met begins a little above nothing.
    assert task.evaluate(Batches(frames(), 100))["nll"] == pytest.approx(task.targets.guessing, abs=1e-3)


def test_what_is_known_without_order():
    told = Chords.learn(frames().inputs, 0.5)
    assert told.shares == pytest.approx([4 / 9, 1 / 9, 2 / 9, 0, 3 / 9, 1 / 9, 0, 4 / 9])
    assert told.sizes == pytest.approx([1 / 9, 3 / 9, 3 / 9, 2 / 9])
    assert (told.length, told.quarters) == (3, 0.5)
    # A fourth above E is never met, a fifth above C three times where 16/81 of 9 would be chance.
    assert told.intervals[7] == pytest.approx((3 + 10) / (16 / 9 + 10))
    assert told.intervals[0] == 1
    entropy = -sum(p * math.log(p) + (1 - p) * math.log(1 - p) for p in told.shares if p)
    assert told.guessing == pytest.approx(entropy)
    assert Chords.from_json(told.to_json()) == told
    assert f"costs {entropy:.3f} nats a frame" in told.in_words()


def test_places_name_file_and_piece():
    assert Batches(frames(), 100).places((2, 0)) == ["a.json, piece 3", "a.json, piece 1"]
    assert Frames(frames().inputs, examples=[Piece([(60,)])]).places([0]) == ["piece 1"]


def test_dropout_is_of_training_alone():
    task = composer()
    [batch] = Batches(frames(), 100)
    task.train()
    with torch.no_grad():
        losses = {float(task.loss(batch)[0]) for _ in range(3)}
        assert len(losses) == 3
        task.eval()
        assert len({float(task.loss(batch)[0]) for _ in range(3)}) == 1


def train(folder, resume=False, stop=None):
    task = composer()
    torch.manual_seed(9)
    config = TrainConfig(epochs=6, checkpoint_seconds=0)
    run = Run(task, Batches(frames(), 5, seed=1), Batches(frames(), 9), config, folder=folder, resume=resume)
    run.prepare()
    if stop is not None:
        run._evaluate = lambda own=run._evaluate: own() if run.place.update < stop else _interrupt()
    return task, run


def _interrupt():
    raise KeyboardInterrupt


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    whole, run = train(tmp_path / "whole")
    run.go()
    _, run = train(tmp_path / "killed", stop=5)
    with pytest.raises(KeyboardInterrupt):
        run.go()
    again, run = train(tmp_path / "killed", resume=True)
    assert 0 < run.place.update < 12
    run.go()
    for name, weight in whole.named_parameters():
        assert torch.equal(weight, again.get_parameter(name)), name
