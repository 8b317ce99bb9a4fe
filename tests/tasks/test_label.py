"""The labeler: its loss, its answers and its scores against a network that reads one word of one sentence at a time."""

import itertools
from dataclasses import dataclass

import pytest
import torch
from torch.nn import functional as F

from throughtime.data.batches import Batches, Dataset
from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.spans import check_tags, convert
from throughtime.errors import DataError, UsageError
from throughtime.tasks import Labeler, LabelerConfig, Tags

TEXTS = ["EU rejects German call", "Peter Blackburn", "BRUSSELS", "the German the German the EU"]
NAMES = ["I-ORG O I-MISC O", "I-PER I-PER", "I-LOC", "O I-MISC O B-MISC O I-ORG"]
KINDS = ["PROPN VERB ADJ NOUN", "PROPN PROPN", "PROPN", "DET ADJ DET ADJ DET PROPN"]


@dataclass
class Sentence:
    tokens: list[str]
    labels: list[str]
    lines: list[int]
    path: str


def sentences(texts, labels, path="a.conll"):
    line, found = 1, []
    for text, tags in zip(texts, labels, strict=True):
        lines = list(range(line, line + len(text.split())))
        found.append(Sentence(text.split(), tags.split(), lines, path))
        line = lines[-1] + 2
    return found


SPANS, WORDS = sentences(TEXTS, NAMES), sentences(TEXTS, KINDS)


def make(examples=SPANS, *, counts=(), scale=1.0, lexicon_settings=None, **settings):
    """A labeler of float64 and its lexicon; weights large enough that answers differ."""
    torch.manual_seed(0)
    small = {"hidden_size": 4, "embedding_size": 3, "character_size": 3, "character_hidden": 2}
    config = LabelerConfig(**{**small, **settings})
    lexicon = Lexicon.learn(
        (s.tokens for s in examples), LexiconConfig(**{"spelling": True, **(lexicon_settings or {})})
    )
    model = Labeler(config, lexicon, Tags.learn(examples, config), counts).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn_like(parameter) / 2)
    return model, lexicon


def dataset(model, lexicon, examples):
    return Dataset(lexicon.encode(s.tokens for s in examples), model.targets.encode(examples), examples)


def batch(model, lexicon, examples):
    return Batches(dataset(model, lexicon, examples), 1000).load(range(len(examples)))


# ---- the reference ----


def as_torch(recurrent):
    """The same recurrence as torch's own layer."""
    kinds = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "RNN": torch.nn.RNN}
    layer = kinds[type(recurrent).__name__](
        recurrent.input_size, recurrent.hidden_size, recurrent.num_layers, bidirectional=recurrent.bidirectional
    )
    names = dict(recurrent.named_parameters())
    return lambda x: torch.func.functional_call(layer.double(), names, (x,))


def reference_scores(model, lexicon, tokens):
    """``[T, K]``: every word's vector from nothing but its own letters, torch's layers over one sentence."""
    words, vectors = model.words, []
    for token in tokens:
        form = lexicon.encode([[token]]).to("cpu").forms
        number, *features = form.symbols[0].tolist()
        vector = words.embedding.word.weight[number]
        for table, feature in zip(words.embedding.spelling, features, strict=True):
            vector = vector + table.weight[feature]
        if words.letters is not None:
            letters = words.letters.embedding.weight[form.characters[0]]
            _, state = as_torch(words.letters.recurrent)(letters)
            h = state[0] if isinstance(state, tuple) else state
            vector = torch.cat([vector, h[0], h[1]])
        vectors.append(vector)
    outputs, _ = as_torch(model.recurrent)(torch.stack(vectors))
    return outputs @ model.head.weight.T + model.head.bias


def all_paths(model, scores):
    """Every path of a sentence that the constraints allow, and its score."""
    crf, paths = model.crf, []
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        steps = list(itertools.pairwise(path))
        if crf.allowed_starts[path[0]] and crf.allowed_ends[path[-1]] and all(crf.allowed[s] for s in steps):
            total = crf.start[path[0]] + crf.end[path[-1]] + sum(crf.transitions[s] for s in steps)
            paths.append((path, total + sum(scores[place, tag] for place, tag in enumerate(path))))
    return paths


def reference_loss(model, scores, tags):
    """Of one sentence."""
    if model.crf is None:
        return F.cross_entropy(scores, torch.tensor(tags), reduction="sum")
    totals = dict(all_paths(model, scores))
    return torch.stack(list(totals.values())).logsumexp(0) - totals[tuple(tags)]


def reference_losses(model, lexicon, examples):
    numbers = model.targets.encode(examples).to_list()
    pairs = zip(examples, numbers, strict=True)
    return [reference_loss(model, reference_scores(model, lexicon, s.tokens), tags) for s, tags in pairs]


SHORT = [SPANS[1], SPANS[2], *sentences(["the EU"], ["O I-ORG"]), SPANS[1]]


@pytest.mark.parametrize("average", ["steps", "sequence"])
@pytest.mark.parametrize(
    ("decoder", "settings"),
    [
        ("softmax", {}),
        ("softmax", {"cell": "gru", "num_layers": 2, "bidirectional": False}),
        ("softmax", {"cell": "elman", "lexicon_settings": {"spelling": False, "characters": False}}),
        ("crf", {"scheme": "bio"}),
        ("crf", {"scheme": "iobes", "cell": "gru", "bidirectional": False}),
    ],
)
def test_loss_and_gradients_are_those_of_one_word_at_a_time(decoder, settings, average):
    model, lexicon = make(decoder=decoder, loss_average=average, **settings)
    losses, lengths = reference_losses(model, lexicon, SHORT), [2, 1, 2, 2]
    if average == "steps":
        expected = sum(losses) / sum(lengths)
    else:
        expected = sum(loss / length for loss, length in zip(losses, lengths, strict=True)) / len(losses)
    found, state = model.loss(batch(model, lexicon, SHORT), "carried")
    torch.testing.assert_close(found, expected)
    assert state == "carried"
    parameters = list(model.parameters())
    one = torch.autograd.grad(found, parameters, allow_unused=True, materialize_grads=True)
    other = torch.autograd.grad(expected, parameters, allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(one, other)


def test_answers_are_those_of_one_word_at_a_time():
    model, lexicon = make(decoder="softmax")
    words = lexicon.encode(s.tokens for s in SPANS).to("cpu")
    expected = torch.cat([reference_scores(model, lexicon, s.tokens) for s in SPANS]).softmax(1)
    torch.testing.assert_close(model.answers(words), expected.detach())
    assert torch.equal(model.best(words).values, expected.argmax(1))


def test_a_crf_answers_by_all_paths():
    model, lexicon = make(scheme="bio")
    words = lexicon.encode(s.tokens for s in SHORT).to("cpu")
    answers = words.steps.with_values(model.answers(words))
    for row, sentence in enumerate(SHORT):
        scores = reference_scores(model, lexicon, sentence.tokens)
        paths = dict(all_paths(model, scores))
        assert tuple(model.best(words)[row].tolist()) == max(paths, key=paths.__getitem__)
        chances = torch.stack(list(paths.values())).softmax(0)
        expected = torch.zeros_like(scores)
        for path, chance in zip(paths, chances, strict=True):
            expected[range(len(path)), list(path)] += chance
        torch.testing.assert_close(answers[row], expected.detach())


def test_few_distinct_words_take_another_way_to_the_same_answers():
    """Then each word's product with the input's weights is made once."""
    model, lexicon = make()
    model.float()
    many = lexicon.encode([["the", "EU"] * 20, ["EU"], ["the"]]).to("cpu")
    assert 2 * len(many.forms) < len(many.values)
    for row in range(3):
        alone = many.take([row]).to("cpu")
        rows = many.steps.with_values(model.answers(many))
        assert torch.equal(rows[row], model.answers(alone))
    torch.testing.assert_close(model.double().answers(many)[:2], model.answers(many.take([0]).to("cpu"))[:2])


# ---- labels that training did not show ----


def test_sentences_with_labels_never_seen_have_no_part_in_the_loss():
    model, lexicon = make(loss_average="steps")
    new = sentences(["the EU rejects", "German"], ["O I-NEW O", "I-MISC"])
    both, known = batch(model, lexicon, [*SHORT, new[0]]), batch(model, lexicon, SHORT)
    assert model.targets.encode(new).to_list()[0][1] == -1
    torch.testing.assert_close(model.loss(both)[0], model.loss(known)[0])


@pytest.mark.parametrize("average", ["steps", "sequence"])
@pytest.mark.parametrize("decoder", ["softmax", "crf"])
def test_where_no_sentence_is_left_the_loss_is_zero_and_none_is_told(decoder, average):
    model, lexicon = make(decoder=decoder, loss_average=average)
    alone = batch(model, lexicon, sentences(["the EU"], ["O I-NEW"]))
    loss, _ = model.loss(alone)
    loss.backward()
    assert loss.item() == 0
    metrics = model.evaluate([alone])
    assert metrics["loss"] is None
    assert metrics["tokens"] == 2
    assert metrics["labels_unknown"] == {"I-NEW": 1}


# ---- schemes ----


def test_tags_are_learnt_in_another_scheme_and_written_in_the_files_own():
    tags = Tags.learn(SPANS, LabelerConfig())
    assert (tags.scheme, tags.learnt, tags.labels[0]) == ("iob1", "iobes", "O")
    assert len(tags.labels) == 1 + 4 * 4
    assert set(tags.labels) >= {"S-LOC", "B-LOC", "I-LOC", "E-LOC"}  # also those that no sentence shows
    assert dict(zip(tags.labels, tags.counts, strict=True))["S-MISC"] == 3
    assert [tags.labels[n] for n in tags.encode([SPANS[3]]).values] == ["O", "S-MISC", "O", "S-MISC", "O", "S-ORG"]
    for sentence in SPANS:
        numbers = tags.encode([sentence]).values.tolist()
        assert tags.decode(numbers) == convert(sentence.labels, "iob1")


@pytest.mark.parametrize("learnt", ["bio", "iob1", "iobes", "bilou"])
@pytest.mark.parametrize("written", ["bio", "iob1", "iobes", "bilou"])
def test_every_scheme_is_given_back(written, learnt):
    texts = ["a b c d e f g", "a"]
    labels = convert(["B-X", "I-X", "B-X", "O", "B-Y", "I-Y", "B-X"], written), convert(["B-X"], written)
    examples = sentences(texts, [" ".join(own) for own in labels])
    tags = Tags.learn(examples, LabelerConfig(scheme=learnt))
    assert (tags.scheme, tags.learnt) == (written, learnt)
    encoded = tags.encode(examples).to_list()
    assert [tags.decode(numbers) for numbers in encoded] == [s.labels for s in examples]
    again = Tags.from_json(tags.to_json())
    assert again == tags


def test_labels_that_are_no_spans_stay_as_they_are():
    tags = Tags.learn(WORDS, LabelerConfig())
    assert (tags.scheme, tags.learnt, tags.labels) == (None, None, ["ADJ", "DET", "NOUN", "PROPN", "VERB"])
    assert tags.counts == (3, 3, 1, 5, 1)
    assert tags.in_words() == "5 labels; always guessing PROPN would be right for 38.5% of the words"
    assert make(WORDS)[0].crf is None


def test_what_spans_are_told_of():
    assert Tags.learn(SPANS, LabelerConfig()).in_words() == (
        'spans of "LOC", "MISC", "ORG", "PER" in iob1: 6 begin with I, 1 with B; learnt as 17 labels of iobes; '
        "always guessing O would be right for 38.5% of the words"
    )


@pytest.mark.parametrize("labels", ["O O", "NN NN"])
def test_one_label_is_nothing_to_learn(labels):
    with pytest.raises(DataError, match=r"a\.conll: expected at least two different labels to tell apart, found only"):
        Tags.learn(sentences(["a b"], [labels]), LabelerConfig())


def test_a_scheme_is_not_asked_for_in_vain():
    with pytest.raises(UsageError, match="--scheme bio: expected spans, found no spans: the labels"):
        Tags.learn(WORDS, LabelerConfig(scheme="bio"))


def test_an_illegal_tag_is_named_with_its_line():
    legal = sentences(["a b c", "d e"], ["B-X I-X O", "B-X O"])
    broken = sentences(["a b c", "d e"], ["B-X I-X O", "O I-X"])
    with pytest.raises(DataError, match=r"a\.conll, line 6: expected B-X .*, found I-X after O"):
        Tags.learn([*legal, *broken], LabelerConfig())
    with pytest.raises(DataError, match=r"a\.conll, line 6: expected B-X .*, found I-X after O"):
        Tags.learn(legal, LabelerConfig()).encode(broken)


@pytest.mark.parametrize("scheme", ["bio", "iobes", "bilou"])
def test_no_weights_make_a_crf_answer_what_its_scheme_forbids(scheme):
    model, lexicon = make(scheme=scheme, scale=20.0)
    texts = [["EU"] * length for length in (1, 2, 3, 7)] + [["the", "Peter", "EU", "x"] * 5]
    for numbers in model.best(lexicon.encode(texts).to("cpu")).to_list():
        check_tags([model.targets.labels[number] for number in numbers], scheme)


def test_which_decoder_is_chosen():
    for examples, settings, crf in (
        (SPANS, {}, True),
        (SPANS, {"bidirectional": False}, False),
        (SPANS, {"decoder": "softmax"}, False),
        (WORDS, {}, False),
        (WORDS, {"decoder": "crf"}, True),
    ):
        assert (make(examples, **settings)[0].crf is not None) == crf


# ---- scores ----


def answering(model, answers):
    """Make a model answer these tags, by the file's words in order."""
    numbers = {label: number for number, label in enumerate(model.targets.labels)}
    told = torch.tensor([numbers[label] for answer in answers for label in answer.split()])
    model._best = lambda scores: scores.with_values(told)


def test_spans_are_counted_as_by_hand_odd_sequences_too():
    model, lexicon = make(scheme="bio", decoder="softmax")
    # Right are PER of the second sentence and LOC; I-ORG after O begins a span, and B parts two of one type.
    answering(model, ["I-ORG O O O", "B-PER I-PER", "B-LOC", "O B-MISC I-PER I-MISC O O"])
    metrics = model.evaluate([batch(model, lexicon, SPANS)])
    # There are 7 spans: ORG MISC | PER | LOC | MISC MISC ORG. Told are ORG | PER | LOC | MISC PER MISC.
    assert metrics["precision"] == pytest.approx(5 / 6)
    assert metrics["recall"] == pytest.approx(5 / 7)
    assert metrics["f1"] == pytest.approx(10 / 13)
    assert metrics["f1_by_type"] == pytest.approx({"LOC": 1.0, "MISC": 4 / 5, "ORG": 2 / 3, "PER": 2 / 3})
    # Written in iob1, what was told of the last sentence is O I-MISC I-PER I-MISC O O: 3 of its 6 words are right.
    assert metrics["accuracy"] == pytest.approx((3 + 2 + 1 + 3) / 13)
    assert (metrics["tokens"], metrics["sequences"]) == (13, 4)
    assert model.score(metrics) == (metrics["f1"], -metrics["loss"])


def test_unknown_words_are_counted_apart():
    model, lexicon = make(WORDS)
    held = sentences(["the zebra sees", "EU Zebra"], ["DET NOUN VERB", "PROPN NOUN"])
    answering(model, ["DET NOUN NOUN", "DET VERB"])
    metrics = model.evaluate([batch(model, lexicon, held)])
    assert metrics["accuracy"] == pytest.approx(2 / 5)
    assert metrics["accuracy_unknown"] == pytest.approx(1 / 3)
    assert metrics["tokens_unknown"] == 3
    assert metrics["labels_unknown"] == {}
    assert [metrics[key] for key in ("precision", "recall", "f1", "f1_by_type")] == [None, None, None, {}]
    assert model.score(metrics) == (metrics["accuracy"], -metrics["loss"])
    assert make(WORDS)[0].evaluate([batch(model, lexicon, WORDS)])["accuracy_unknown"] is None


@pytest.mark.parametrize("examples", [SPANS, WORDS], ids=["spans", "words"])
def test_scores_do_not_depend_on_how_batches_are_cut(examples):
    model, lexicon = make(examples)
    data = dataset(model, lexicon, examples * 3)
    whole = model.evaluate(Batches(data, 1000))
    for budget in (1, 7):
        found = model.evaluate(Batches(data, budget))
        assert found.pop("loss") == pytest.approx(whole["loss"], rel=1e-12)
        assert found == {key: value for key, value in whole.items() if key != "loss"}


@pytest.mark.parametrize("average", ["steps", "sequence"])
def test_the_loss_told_is_the_mean_over_words(average):
    model, lexicon = make(loss_average=average)
    losses = reference_losses(model, lexicon, SHORT)
    assert model.evaluate([batch(model, lexicon, SHORT)])["loss"] == pytest.approx(sum(losses).item() / 7)


# ---- what must always hold ----


@pytest.mark.parametrize("decoder", ["softmax", "crf"])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_answers_are_the_same_bits_alone_and_in_any_order(decoder, cell):
    model, lexicon = make(decoder=decoder, cell=cell, num_layers=2)
    model.float()
    texts = [s.tokens for s in SPANS] + [["EU", "x"] * 30, ["the"]]
    words = lexicon.encode(texts).to("cpu")
    whole = words.steps.with_values(model.answers(words))
    back = list(reversed(range(len(texts))))
    turned = words.take(back).to("cpu")
    turned = turned.steps.with_values(model.answers(turned)).take(back)
    assert torch.equal(turned.values, whole.values)
    for row in range(len(texts)):
        assert torch.equal(model.answers(words.take([row]).to("cpu")), whole[row])


def test_answers_use_no_dropout_and_leave_training_as_it_was():
    model, lexicon = make(counts=[1] * 20, dropout=0.9, recurrent_dropout=0.5, word_dropout=9.0)
    words = lexicon.encode(s.tokens for s in SPANS).to("cpu")
    plain = model.answers(words)
    model.train()
    assert torch.equal(model.answers(words), plain)
    assert torch.equal(model.best(words).values, model.best(words).values)
    assert model.training
    assert not torch.equal(model(words)[0].values, model(words)[0].values)
    evaluated = [model.evaluate([batch(model, lexicon, SPANS)]) for _ in range(2)]
    assert evaluated[0] == evaluated[1]


@pytest.mark.parametrize("decoder", ["softmax", "crf"])
def test_a_sentence_of_5000_words(decoder):
    model, lexicon = make(decoder=decoder)
    long = sentences(
        [" ".join(["EU", "the", "Peter", "x", "y"] * 1000)], [" ".join(["I-ORG", "O", "I-PER"] * 1666 + ["O", "O"])]
    )
    loaded = batch(model, lexicon, [*long, SPANS[2]])
    loss, _ = model.loss(loaded)
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    answers = model.answers(loaded.inputs)
    torch.testing.assert_close(answers.sum(1), torch.ones(5001, dtype=torch.float64))
    assert [len(row) for row in model.best(loaded.inputs).to_list()] == [5000, 1]


def test_steps_with_carried_state_equal_the_whole():
    model, lexicon = make(decoder="softmax", bidirectional=False, num_layers=2)
    whole = model.answers(lexicon.encode([SPANS[0].tokens]).to("cpu"))
    state, told = None, []
    for chunk in (SPANS[0].tokens[:1], SPANS[0].tokens[1:3], SPANS[0].tokens[3:]):
        answers, state = model.step(lexicon.encode([chunk]).to("cpu"), state)
        told.append(answers)
    torch.testing.assert_close(torch.cat(told).detach(), whole)
