"""What a model of labels answers in Python, at once and word by word."""

import numpy as np
import pytest
import torch

from tests.conftest import KINDS, NAMES, tagged
from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.errors import DataError, UsageError
from throughtime.inspect.invariance import differences, random_inputs
from throughtime.model import ModelConfig
from throughtime.model.labels import LabelModel
from throughtime.tasks import Labeler, LabelerConfig, Tags


class Sentence:
    """What a task asks of one."""

    def __init__(self, pairs):
        self.tokens, self.labels = [word for word, _ in pairs], [label for _, label in pairs]
        self.lines, self.path = list(range(1, len(pairs) + 1)), "a.conll"


def make(kinds=NAMES, *, lexicon_settings=None, **settings):
    """A model that has learnt nothing, with weights that tell its answers apart."""
    torch.manual_seed(0)
    examples = [Sentence(pairs) for pairs in tagged(60, kinds)]
    config = LabelerConfig(**{"hidden_size": 5, "embedding_size": 4, "character_hidden": 3, **settings})
    own = LexiconConfig(**{"spelling": True, **(lexicon_settings or {})})
    lexicon = Lexicon.learn((sentence.tokens for sentence in examples), own)
    task = Labeler.build(config, lexicon, Tags.learn(examples, config))
    with torch.no_grad():
        for parameter in task.parameters():
            parameter.add_(torch.randn_like(parameter))
    return LabelModel(ModelConfig(task="label", network=config, vocabulary=own), lexicon, task)


SENTENCES = [["Ada", "met", "Kurt"], [], ["Zoë", "zoë", "met", "Ada"], ["x"], []]


@pytest.mark.parametrize("kinds", [KINDS, NAMES], ids=["words", "spans"])
def test_there_is_a_label_for_each_word(kinds):
    model = make(kinds)
    labels, tables = model.predict(SENTENCES), model.probabilities(SENTENCES)
    assert [len(row) for row in labels] == [3, 0, 4, 1, 0]
    assert [table.shape for table in tables] == [(n, len(model.labels)) for n in (3, 0, 4, 1, 0)]
    for table in tables:
        np.testing.assert_allclose(table.sum(1), 1, rtol=1e-5)
    assert {label for row in labels for label in row} <= set(kinds) | {"B-PER", "B-LOC"}


def test_of_no_sentences_there_are_no_answers():
    model = make()
    assert model.predict([]) == []
    assert model.probabilities([]) == []
    assert model.predict([[], []]) == [[], []]
    with pytest.raises(DataError, match="expected examples to evaluate on, found none"):
        model.evaluate([])


def test_labels_told_alone_are_the_most_probable_ones():
    model = make(KINDS)
    for labels, table in zip(model.predict(SENTENCES), model.probabilities(SENTENCES), strict=True):
        assert labels == [model.labels[number] for number in table.argmax(1)]


def test_sentences_come_in_any_container():
    model = make()
    expected = model.predict([["Ada", "met"], ["Kurt", "left"]])
    for given in (
        (("Ada", "met"), ("Kurt", "left")),
        np.array([["Ada", "met"], ["Kurt", "left"]]),
        iter([["Ada", "met"], ["Kurt", "left"]]),
    ):
        assert model.predict(given) == expected


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("Ada met", "a text"),
        (5, "5"),
        (["Ada met"], "a text"),
        (["Ada", "met"], "a text"),
        ([b"Ada"], "a text"),
        ([["Ada"], None], "None"),
        ([["Ada", 5]], "5"),
    ],
)
def test_what_are_no_sentences_is_refused(given, found):
    for asked in (make().predict, make().probabilities):
        with pytest.raises(UsageError, match=f"found {found}$"):
            asked(given)


@pytest.mark.parametrize("decoder", ["softmax", "crf"])
def test_answers_are_the_same_bits_alone_in_any_order_and_with_pads(decoder):
    model = make(decoder=decoder, num_layers=2)
    inputs = random_inputs(model, 50)
    assert set(differences(model, inputs).values()) == {0.0}
    few = model.vocabulary.encode([["Ada", "met"] * length for length in range(1, 40)])
    assert 2 * len(few.forms) < len(few.values)  # another way of the input's product
    assert set(differences(model, few).values()) == {0.0}
    sentences = [["Ada", "met", "Kurt"] * length for length in range(1, 9)]
    together = model.probabilities(sentences)
    for sentence, table in zip(sentences, together, strict=True):
        assert np.array_equal(model.probabilities([sentence])[0], table)


def test_a_sentence_does_not_change_another_beyond_a_batch(monkeypatch):
    from throughtime.model import base

    model = make()
    expected = model.predict(SENTENCES)
    monkeypatch.setattr(base, "EVALUATION_TOKENS", 2)
    assert model.predict(SENTENCES) == expected


# ---- word by word ----


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("letters", [True, False])
def test_a_stream_equals_the_whole(cell, letters):
    model = make(
        cell=cell, num_layers=2, bidirectional=False, decoder="softmax", lexicon_settings={"characters": letters}
    )
    words = ["Ada", "met", "Zoë", "in", "Rome", "and", "and"]
    whole = model.probabilities([words])[0]
    stream = model.stream()
    state, before = stream.start(), []
    for word, expected in zip(words, whole, strict=True):
        before.append(state)
        answer, state = stream.step(word, state)
        assert list(answer) == model.labels
        assert list(answer.values()) == pytest.approx(expected.tolist(), abs=1e-6)
    again, _ = stream.step(words[3], before[3])  # the state was the caller's all along
    assert list(again.values()) == pytest.approx(whole[3].tolist(), abs=1e-6)


def test_spans_that_are_read_one_way_stream_by_default():
    assert make(bidirectional=False).stream().labels == make().labels


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "--no-bidirectional"), ({"bidirectional": False, "decoder": "crf"}, "--decoder softmax")],
)
def test_a_model_that_cannot_answer_before_the_end_does_not_stream(settings, words):
    with pytest.raises(UsageError, match=words):
        make(**settings).stream()


# ---- in words ----


def test_a_model_in_words():
    over = "an LSTM over words, their letters and their spelling with 5 units in each of two directions"
    assert make().in_words().startswith(f"{over} and a conditional random field over all tags (")
    plain = make(KINDS, bidirectional=False, lexicon_settings={"characters": False, "spelling": False}).in_words()
    assert plain.startswith("an LSTM over words with 5 units, reading one way and a softmax for each word (")
