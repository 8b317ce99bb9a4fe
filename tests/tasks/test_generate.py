"""Language models: what they tell is what a plain computation over the whole text gives."""

import math

import pytest
import torch
from torch.nn import functional as F

from throughtime.data.batches import Batches, Dataset
from throughtime.data.streams import Streams
from throughtime.ragged import Ragged
from throughtime.tasks.generate import Generator, GeneratorConfig, NextSymbol
from throughtime.train.config import TrainConfig
from throughtime.train.run import Run

DOCUMENTS = [[2, *range(4, 12), 5, 5, 7, 11, 4, 3], [2, 9, 3], [2, 8, 8, 4, 6, 10, 5, 9, 4]]


def generator(**settings):
    torch.manual_seed(5)
    config = GeneratorConfig(**({"hidden_size": 7, "embedding_size": 5, "dropout": 0} | settings))
    return Generator(config, 12, NextSymbol.learn([0, 0, 1, 1, *[3] * 8], "char"))


def documents():
    return Dataset(Ragged.from_list(DOCUMENTS))


def lines():
    inputs = Ragged.from_list([document[:-1] for document in DOCUMENTS])
    return Dataset(inputs, Ragged.from_list([document[1:] for document in DOCUMENTS]))


def by_hand(task):
    """The nats of every symbol, a document at a time."""
    task.eval()
    nats = []
    with torch.no_grad():
        for document in DOCUMENTS:
            scores, _ = task(Ragged.from_list([document[:-1]]))
            nats += F.cross_entropy(scores, torch.tensor(document[1:]), reduction="none").tolist()
    return nats


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("steps", [1, 3, 100])
def test_carried_state_tells_the_whole(cell, steps):
    task = generator(cell=cell, num_layers=2)
    nats = by_hand(task)
    found = task.evaluate(Streams(documents(), 1, steps))
    assert found["tokens"] == len(nats) == sum(map(len, DOCUMENTS)) - 3
    assert found["nll"] == pytest.approx(sum(nats) / len(nats), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(found["nll"]))
    assert found["sequences"] == 3
    assert found["loss"] == found["nll"]


def test_lines_tell_the_same_as_documents():
    task = generator()
    found = [task.evaluate(batches) for batches in (Streams(documents(), 1, 4), Batches(lines(), 5))]
    assert found[0]["nll"] == pytest.approx(found[1]["nll"], rel=1e-5)
    assert found[0]["tokens"] == found[1]["tokens"]
    assert found[0]["sequences"] == found[1]["sequences"] == 3


def test_streams_that_begin_within_a_text_read_what_comes_before():
    task = generator()
    wanted = sum(by_hand(task)) / len(by_hand(task))
    enough = task.evaluate(Streams(documents(), 4, 3, overlap=20))
    none = task.evaluate(Streams(documents(), 4, 3))
    assert enough["nll"] == pytest.approx(wanted, rel=1e-5)
    assert none["nll"] != pytest.approx(wanted, rel=1e-5)
    assert enough["tokens"] == none["tokens"]


def test_the_heard_nats_are_those_of_each_step():
    task, heard = generator(), []
    nats = by_hand(task)
    task.evaluate(Streams(documents(), 1, 4), lambda batch, losses: heard.extend(losses.tolist()))
    assert heard == pytest.approx(nats, rel=1e-4)


def test_the_gradient_is_cut_between_chunks_and_flows_within():
    task = generator()
    batches = [*Streams(documents(), 1, 6)]
    _, state = task.loss(batches[0])
    assert all(not part.requires_grad for part in state)
    loss, _ = task.loss(batches[1], state)
    loss.backward()
    seen = set(batches[1].inputs.values.tolist())
    assert set(task.network.embedding.weight.grad.abs().sum(1).nonzero()[:, 0].tolist()) == seen


def test_the_loss_is_the_mean_of_the_told_steps():
    task = generator()
    nats, state, total, count = by_hand(task), None, 0.0, 0
    for batch in Streams(documents(), 1, 5):
        loss, state = task.loss(batch, state)
        total, count = total + float(loss.detach()) * len(batch.targets), count + len(batch.targets)
    assert total / count == pytest.approx(sum(nats) / len(nats), rel=1e-5)


def test_activation_regularisation_adds_its_squares():
    batch = next(iter(Streams(documents(), 2, 6)))
    plain, ar, tar = generator(), generator(ar=2.0), generator(tar=3.0)
    outputs, kept, _ = plain.network(batch.inputs, None, batch.resets)
    rows = batch.inputs.with_values(kept[batch.inputs.time_major.scatter])
    change = torch.cat([row.diff(dim=0) for row in rows])
    base, with_ar, with_tar = (task.loss(batch)[0].item() for task in (plain, ar, tar))
    assert with_ar - base == pytest.approx(2 * outputs.data.pow(2).mean().item(), abs=1e-6)
    assert with_tar - base == pytest.approx(3 * change.pow(2).mean().item(), abs=1e-6)


def test_guessing_is_the_entropy_of_the_symbols():
    told = NextSymbol.learn([0, 0, 1, 1, 2], "word")
    assert told.guessing == pytest.approx(1.5 * math.log(2))
    assert NextSymbol.from_json(told.to_json()) == told
    assert "1.040 nats a word (perplexity 2.8)" in told.in_words()


def train(folder=None, resume=False, updates=40, stop=None):
    task = generator(dropout=0.3)
    torch.manual_seed(9)
    config = TrainConfig(epochs=6, checkpoint_seconds=0)
    streams = Streams(documents(), 2, 4, seed=1)
    run = Run(task, streams, Streams(documents(), 1, 8), config, folder=folder, resume=resume)
    run.prepare()
    if stop is not None:
        run._evaluate = lambda own=run._evaluate: own() if run.place.update < stop else _interrupt()
    return task, run


def _interrupt():
    raise KeyboardInterrupt


def test_a_killed_run_goes_on_with_its_state_to_the_same_weights(tmp_path):
    whole, run = train(tmp_path / "whole")
    run.go()
    _, run = train(tmp_path / "killed", stop=7)
    with pytest.raises(KeyboardInterrupt):
        run.go()
    again, run = train(tmp_path / "killed", resume=True)
    assert 0 < run.place.update < 20
    assert run.place.state is not None
    run.go()
    for name, weight in whole.named_parameters():
        assert torch.equal(weight, again.get_parameter(name)), name
