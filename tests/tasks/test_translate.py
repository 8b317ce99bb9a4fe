"""Sequence to sequence: losses and answers are those of a plain computation, a pair and a step at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from throughtime.data.encoded_pairs import PairBatches, Rows
from throughtime.data.pair import Pair
from throughtime.data.two_sided import TwoSidedConfig
from throughtime.data.vocabulary import EOS, SOS
from throughtime.decode.beam import BeamConfig
from throughtime.errors import UsageError
from throughtime.ragged import Ragged
from throughtime.tasks.translate import Translator
from throughtime.tasks.translations import Translations, TranslatorConfig

SOURCES = [[5, 6, 7, 8, 4, 3], [9, 3], [5, 6, 7, 8, 4, 3], [3], [4, 4, 6, 3]]
TARGETS = [[4, 5, 6, 3], [7, 8, 9, 10, 3], [5, 3], [6, 3], [3]]
PAIRS = [0, 1, 0, 2, 3]
"""The first and the third row are two right answers to one source."""


def translator(**settings):
    torch.manual_seed(4)
    small = {"hidden_size": 6, "embedding_size": 6, "dropout": 0, "label_smoothing": 0, "word_dropout": 0}
    config = TranslatorConfig(**(small | settings))
    targets = Translations.learn([0, 0, 0, 5, *[2] * 7], ("char", "char"))
    return Translator(config, 10, 11, targets, copies=COPIES)


def data():
    examples = [Pair(str(number), ("",), "a.tsv", number) for number in range(4)]
    inputs, told = (Ragged.from_list(rows, dtype=torch.int16) for rows in (SOURCES, TARGETS))
    return Rows(inputs, None, examples, told=told, pairs=np.array(PAIRS))


def scores_by_hand(task, source, heard):
    """``[T, V]``, one pair alone and a step at a time."""
    outputs, final, _ = task.encoder(Ragged.from_list([source]))
    memory = task.decoder.remember(outputs, symbols=Ragged.from_list([COPIES[source]]))
    state, found = task.decoder.start(final, memory), []
    for symbol in heard:
        scores, state = task.decoder.step(torch.tensor([symbol]), memory, state)
        found.append(scores)
    return torch.cat(found)


def by_hand(task):
    """The scores of every row, and what was to be told."""
    rows = zip(SOURCES, TARGETS, strict=True)
    return [(scores_by_hand(task, source, [SOS, *told[:-1]]), torch.tensor(told)) for source, told in rows]


NETWORKS = [
    {"cell": "elman"},
    {"cell": "gru", "num_layers": 2, "attention": "additive", "tie_weights": False},
    {"cell": "lstm", "attention": "dot"},
    {"cell": "lstm", "num_layers": 2, "input_feeding": True},
    {"cell": "gru", "copying": True},
    {"cell": "lstm", "attention": "additive", "copying": True, "coverage": True, "coverage_weight": 0.0},
]
COPIES = torch.tensor([1, 1, 1, 3, 4, 1, 9, 5, 1, 10])
"""What each symbol of the sources is in the targets."""


@pytest.mark.parametrize("settings", NETWORKS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_that_of_each_symbol_told_by_itself(settings, smoothing):
    task = translator(label_smoothing=smoothing, **settings)
    losses = [F.cross_entropy(*row, reduction="sum", label_smoothing=smoothing) for row in by_hand(task)]
    expected = sum(losses) / sum(map(len, TARGETS))
    (batch,) = PairBatches(data(), 1000)
    found, state = task.loss(batch)
    assert state is None
    torch.testing.assert_close(found, expected)
    weights = [weight for weight in task.parameters() if weight.requires_grad]
    for own, other in zip(torch.autograd.grad(found, weights), torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-4)


def test_looking_twice_is_blamed():
    (batch,) = PairBatches(data(), 1000)
    losses = [translator(coverage=True, coverage_weight=weight).loss(batch)[0] for weight in (0.0, 1.0, 3.0)]
    task = translator(coverage=True)
    memory, start = task._remembered(batch.inputs)
    seen = task.decoder(batch.inputs.heard, memory, start).weights
    blame = 0.0
    for row, length in enumerate(batch.inputs.heard.lengths.tolist()):
        begin = int(batch.inputs.heard.offsets[row])
        looks = torch.stack([seen[begin + place] for place in range(length)])
        before = looks.cumsum(0) - looks
        blame += torch.minimum(looks, before).sum().item()
    blame /= sum(map(len, TARGETS))
    assert blame > 0.1
    assert [(loss - losses[0]).item() for loss in losses] == pytest.approx([0, blame, 3 * blame], abs=1e-5)


@pytest.mark.parametrize("budget", [1, 12, 1000])
def test_what_is_measured_is_the_same_in_all_batches(budget):
    task = translator(label_smoothing=0.3)
    found = task.evaluate(PairBatches(data(), budget))
    rows = by_hand(task)
    tokens = sum(map(len, TARGETS))
    sayable = torch.arange(11) >= 3
    right = [scores.masked_fill(~sayable, -torch.inf).argmax(1) == told for scores, told in rows]
    assert found["nll"] == pytest.approx(sum(F.cross_entropy(*row, reduction="sum").item() for row in rows) / tokens)
    assert found["accuracy"] == pytest.approx(float(torch.cat(right).double().mean()))
    assert (found["tokens"], found["pairs"]) == (tokens, 4)


def learnt(task, steps=150):
    """After learning all rows but the third by heart."""
    optimizer = torch.optim.Adam(task.parameters(), lr=0.02)
    rows = [0, 1, 3, 4]
    kept = Rows(data().inputs.take(rows), None, data().examples, told=data().told.take(rows), pairs=np.arange(4))
    (batch,) = PairBatches(kept, 1000)
    for _ in range(steps):
        optimizer.zero_grad()
        task.loss(batch)[0].backward()
        optimizer.step()
    return task


@pytest.mark.parametrize("settings", NETWORKS[2:])
def test_right_symbols_all_along_are_the_greedy_answer(settings):
    task = learnt(translator(**settings))
    found = task.evaluate(PairBatches(data(), 12))
    answers = task.search(Ragged.from_list([SOURCES[row] for row in (0, 1, 3, 4)]), BeamConfig(beam=1))
    said = [(*own.symbols, EOS) for (own,) in answers]
    right = [said[pair] == tuple(told) for pair, told in zip(PAIRS, TARGETS, strict=True)]
    assert found["exact"] == len({pair for pair, own in zip(PAIRS, right, strict=True) if own}) / 4
    assert found["exact"] == 1.0
    assert found["accuracy"] < 1.0  # the third row's answer is the one not learnt


@pytest.mark.parametrize("settings", NETWORKS)
@pytest.mark.parametrize("beam", [1, 3])
def test_answers_do_not_depend_on_their_neighbours(settings, beam):
    task = learnt(translator(**settings), steps=10)
    search = BeamConfig(beam=beam, max_length=6)
    together = task.search(Ragged.from_list(SOURCES), search, n_best=beam)
    for source, found in zip(SOURCES, together, strict=True):
        (alone,) = task.search(Ragged.from_list([source]), search, n_best=beam)
        assert [own.symbols for own in alone] == [own.symbols for own in found]
        for own in found:
            told = [*own.symbols, EOS]
            scores = scores_by_hand(task, source, [SOS, *told[:-1]]).log_softmax(1)
            assert own.log_probability == pytest.approx(
                scores.gather(1, torch.tensor(told)[:, None]).sum().item(), abs=1e-4
            )
            assert not {0, 1, 2} & set(own.symbols)


@pytest.mark.parametrize("settings", [{}, {"input_feeding": True, "num_layers": 2}])
@pytest.mark.parametrize("update", [0, 40, 10**6])
def test_guesses_take_the_place_of_right_symbols(settings, update):
    task = translator(sampling="exponential", sampling_half=40, **settings)
    (batch,) = PairBatches(data(), 1000)
    share = 0.5 ** (update / 40)
    torch.manual_seed(7)
    found, _ = task.loss(replace(batch, update=update))
    torch.manual_seed(7)
    right = iter((torch.rand(sum(map(len, TARGETS))) < share).tolist())
    losses, heard = [], []
    for row in batch.rows:
        source, told = SOURCES[row], TARGETS[row]
        guesses = scores_by_hand(task, source, [SOS, *told[:-1]])
        guesses[:, [0, 1, 2, 3]] = -torch.inf
        mixed = [symbol if next(right) else int(guess) for symbol, guess in zip(told, guesses.argmax(1), strict=True)]
        heard.append(mixed[:-1])
        scores = scores_by_hand(task, source, [SOS, *mixed[:-1]])
        losses.append(F.cross_entropy(scores, torch.tensor(told), reduction="sum"))
    torch.testing.assert_close(found, sum(losses) / sum(map(len, TARGETS)))
    assert (heard == [TARGETS[row][:-1] for row in batch.rows]) == (update == 0)
    weights = [weight for weight in task.parameters() if weight.requires_grad]
    expected = torch.autograd.grad(sum(losses) / sum(map(len, TARGETS)), weights)
    for own, other in zip(torch.autograd.grad(found, weights), expected, strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-4)


def test_nothing_is_guessed_where_nothing_is_learnt():
    task, plain = translator(sampling="linear", sampling_half=1), translator()
    assert task.evaluate(PairBatches(data(), 12)) == plain.evaluate(PairBatches(data(), 12))


def test_dropout_is_of_training_alone():
    task = translator(dropout=0.5, recurrent_dropout=0.5)
    first, second = (task.evaluate(PairBatches(data(), 12))["nll"] for _ in range(2))
    (batch,) = PairBatches(data(), 1000)
    assert first == second
    assert task.loss(batch)[0].item() != task.loss(batch)[0].item()
    assert task.training


def test_one_vocabulary_has_one_embedding():
    task = Translator(TranslatorConfig(hidden_size=4), 10, 10, Translations(("bpe", "bpe"), 1.0), joint=True)
    assert task.encoder.embedding.weight is task.decoder.head.weight
    assert len(dict(task.named_parameters())) == len(list(task.parameters()))


def test_letters_are_chosen_by_whole_answers_and_pieces_by_symbols():
    metrics = {"exact": 0.5, "accuracy": 0.7, "nll": 2.0}
    assert translator().score(metrics) == (0.5, -2.0)
    pieces = Translator(TranslatorConfig(hidden_size=4), 10, 10, Translations(("bpe", "bpe"), 1.0))
    assert pieces.score(metrics) == (0.7, -2.0)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="expected an even number, found 7"):
        TranslatorConfig(hidden_size=7).settled_with(TwoSidedConfig(tokens="bpe"))
    with pytest.raises(UsageError, match="--attention dot: expected --embedding-size and --hidden-size to be one"):
        TranslatorConfig(attention="dot", embedding_size=8).settled_with(TwoSidedConfig(tokens="bpe"))
    with pytest.raises(UsageError, match="--softmax bfloat16: expected no --copying"):
        TranslatorConfig(copying=True, softmax="bfloat16").settled_with(TwoSidedConfig(tokens="bpe"))
