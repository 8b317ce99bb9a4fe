"""Right texts as pairs with errors of their own in each epoch."""

from __future__ import annotations

import pytest
import torch

from throughtime.data.columns import Example
from throughtime.data.encoded_pairs import FreshBatches, encode_pairs
from throughtime.data.noise import NoiseConfig, NoisyPairs, noisy
from throughtime.data.pair import Pair
from throughtime.data.pairs import PairConfig
from throughtime.data.right import RightFiles, foreign
from throughtime.data.two_sided import TwoSided, TwoSidedConfig
from throughtime.errors import DataError

TEXTS = [f"She has seen {count} book{'s' * (count > 1)} in the city since the day before ." for count in range(1, 30)]
RIGHT = [Example(text, None, "right.txt", line) for line, text in enumerate(TEXTS, 1)]
PAIRS = NoisyPairs(RIGHT, NoiseConfig(rate=0.3), seed=4)


def batches(budget=300, seed=2):
    vocabulary = TwoSided.learn(list(PAIRS), TwoSidedConfig(tokens="byte", joint=True))
    return vocabulary, FreshBatches(encode_pairs(PAIRS, vocabulary), vocabulary.source, budget, seed)


def read(epoch):
    """Each row's source and target of an epoch, as they are learnt from, and the order of the rows."""
    vocabulary, made = batches()
    found, order = {}, []
    for part in made.plan(epoch):
        batch = made.load(part)
        order += batch.rows
        for row, source, told in zip(batch.rows, batch.inputs.sources, batch.inputs.told, strict=True):
            found[row] = tuple(vocabulary.source.decode(own[:-1].tolist()) for own in (source, told))
        assert (batch.inputs.sources.lengths.diff() <= 0).all()
    return found, order


def test_each_epoch_has_errors_of_its_own_and_the_same_ones_each_time():
    first, second = read(0)[0], read(1)[0]
    assert read(1)[0] == second
    for epoch, found in enumerate((first, second)):
        assert found == {row: (noisy(text, PAIRS.config, 4, epoch), text) for row, text in enumerate(TEXTS)}
    assert sum(first[row][0] != second[row][0] for row in first) > len(first) / 2


def test_a_batch_can_be_made_alone():
    _, made = batches()
    whole = [made.load(part) for part in made.plan(3)]
    last = batches()[1].load(made.plan(3)[-1])
    assert torch.equal(last.inputs.sources.values, whole[-1].inputs.sources.values)
    assert last.rows == whole[-1].rows


def test_sizes_are_about_those_that_are_loaded():
    _, made = batches()
    for part in made.plan(1):
        longest, tokens = made.size(part)
        assert tokens == pytest.approx(len(made.load(part).inputs.values), rel=0.2)
        assert longest <= tokens


def test_pairs_are_a_sequence():
    assert len(PAIRS) == len(TEXTS)
    assert list(PAIRS) == [PAIRS[place] for place in range(len(PAIRS))]
    assert list(PAIRS[3:6]) == list(PAIRS)[3:6]
    assert PAIRS[2].targets == (TEXTS[2],)


def test_long_lines_and_empty_ones_are_told_of(tmp_path):
    path = tmp_path / "right.txt"
    path.write_text("One sentence .\n\n" + "word " * 61 + "\n")
    files = RightFiles(PairConfig(noise=True))
    with files.open_new(path) as opened:
        found = list(opened.examples)
        notes = opened.source().notes
    assert [(pair.text == pair.targets[0], pair.line) for pair in found] == [(True, 1), (True, 3)]
    assert any("more than 60 words" in note and "line 3" in note for note in notes)
    assert any("line 2" in note for note in notes)
    (tmp_path / "nothing").mkdir()
    with (
        pytest.raises(DataError, match="expected files of text, found an empty folder"),
        files.open_new(tmp_path / "nothing"),
    ):
        pass


def test_english_is_told_from_other_languages():
    assert foreign(PAIRS) == []
    french = "La femme de notre voisin est venue sur la place avec son chien ."
    assert "expected English" in foreign([Pair(french, (french,), "a.txt", 1)])[0]
