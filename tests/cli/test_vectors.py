"""``train label --vectors``: words begin with vectors made elsewhere."""

import json

import pytest
import torch

import throughtime as tt
from throughtime.data.given import GivenSentence
from throughtime.errors import DataError
from throughtime.fit import Splits, learn
from throughtime.model import ModelConfig
from throughtime.train.config import TrainConfig

SMALL = ["--hidden-size", 8, "--character-hidden", 4, "--epochs", 2, "--threads", 1]
VECTORS = "The 0.5 1 2\ndog 1 -1 2\nbird 3 4 5\nowl 6 7 8\nunheard 1 1 1\n"
TRAIN = [("the", "DET"), ("dog", "NOUN"), ("sees", "VERB"), ("the", "DET"), ("bird", "NOUN")]
VALID = [("The", "DET"), ("owl", "NOUN"), ("sleeps", "VERB")]


def lines(sentence, times=1):
    return ("".join(f"{word} {label}\n" for word, label in sentence) + "\n") * times


@pytest.fixture
def files(tmp_path):
    (tmp_path / "train.conll").write_text(lines(TRAIN, 20))
    (tmp_path / "valid.conll").write_text(lines(VALID))
    (tmp_path / "vectors.txt").write_text(VECTORS)
    return tmp_path


def train(run, files, *more):
    valid = ["--valid", files / "valid.conll", "--vectors", files / "vectors.txt"]
    return run("train", "label", files / "train.conll", *valid, "--out", files / "model", *SMALL, *more)


def word_table(model):
    return dict(zip(model.vocabulary.symbols, model.task.words.embedding.word.weight.tolist(), strict=True))


def test_the_vectors_end_up_in_the_weights(run, files):
    result = train(run, files)
    assert result.code == 0
    told = "a vector made elsewhere for 3 of 4 training words (80.0% of the text) and 2 of 3 validation words (66.7%)"
    assert told in result.err
    assert "33.3% of the validation words unknown" in result.err
    (files / "vectors.txt").unlink()
    model = tt.load(files / "model")
    assert model.vocabulary.symbols[4:] == ["the", "bird", "dog", "sees", "owl"]
    assert word_table(model)["owl"] == [6.0, 7.0, 8.0]  # training does not show it
    assert word_table(model)["dog"] != [1.0, -1.0, 2.0]  # which has learnt further
    assert model.config.network.embedding_size == 3
    assert model.config.data["vectors"]["rows"] == 4
    assert "| word vectors | vectors.txt | 4 words |" in (files / "model" / "README.md").read_text()
    assert run("verify", files / "model", files / "valid.conll").code == 0
    scores = json.loads(run("evaluate", files / "model", files / "valid.conll", "--json").out)
    assert scores["tokens_unknown"] == 1


def test_before_training_the_rows_are_those_of_the_file(run, files):
    assert train(run, files, "--lr", 1e-30, "--average", 0).code == 0
    found = word_table(tt.load(files / "model"))
    expected = {"the": [0.5, 1.0, 2.0], "dog": [1.0, -1.0, 2.0], "bird": [3.0, 4.0, 5.0], "owl": [6.0, 7.0, 8.0]}
    assert {word: found[word] for word in expected} == expected


def test_rare_words_keep_their_vectors(run, files):
    assert train(run, files, "--min-count", 30).code == 0
    assert tt.load(files / "model").vocabulary.symbols[4:] == ["the", "dog", "bird", "owl"]


def test_vectors_of_other_words_change_nothing_but_the_size(run, files):
    (files / "vectors.txt").write_text("chien 1 2 3\nhibou 4 5 6\n")
    result = train(run, files)
    assert result.code == 0
    assert "for 0 of 4 training words (0.0% of the text) and 0 of 3 validation words (0.0%)" in result.err
    with_them = word_table(tt.load(files / "model"))
    size = ["--embedding-size", 3, "--valid", files / "valid.conll"]
    assert run("train", "label", files / "train.conll", "--out", files / "plain", *size, *SMALL).code == 0
    assert word_table(tt.load(files / "plain")) == with_them


@pytest.mark.parametrize(
    ("content", "more", "told"),
    [
        (VECTORS, ["--embedding-size", 4], "--embedding-size: expected 3, as {} has it, found 4"),
        ("the 1 2\nbird 1\n", [], "{}, line 2: expected a word and 2 numbers, a blank between each, found 1"),
        ("nothing here\n", [], "{}, line 1: expected a word and its numbers, in word2vec's or GloVe's text format"),
    ],
)
def test_what_does_not_fit_ends_the_run_in_a_sentence(run, files, content, more, told):
    (files / "vectors.txt").write_text(content)
    result = train(run, files, *more)
    assert result.code == 2
    assert told.format(files / "vectors.txt") in result.err
    assert not (files / "model").exists()


def test_the_size_of_the_file_may_be_said(run, files):
    assert train(run, files, "--embedding-size", 3).code == 0


def test_a_run_goes_on_with_the_vectors_that_it_began_with(files):
    sentences = [
        GivenSentence(*map(list, zip(*sentence, strict=True)), row) for row, sentence in enumerate([TRAIN, VALID] * 9)
    ]
    network = {"vectors": str(files / "vectors.txt"), "hidden_size": 4, "character_hidden": 4}
    config = ModelConfig(task="label", network=network)

    def go_on(*, resume):
        torch.manual_seed(0)
        return learn(Splits(sentences), config, TrainConfig(updates=2), files / "model", resume=resume)

    weights = go_on(resume=False).model.task.state_dict()
    again = go_on(resume=True).model.task.state_dict()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    (files / "vectors.txt").write_text(VECTORS.replace("8", "9"))
    with pytest.raises(DataError, match="expected the vectors that the run began with, found other content"):
        go_on(resume=True)


def test_the_estimator_takes_them_too(files):
    words, labels = [["the", "dog"], ["a", "bird"]] * 6, [["DET", "NOUN"]] * 12
    model = tt.SequenceLabeler(vectors=files / "vectors.txt", hidden_size=4, updates=1, lr=1e-30, average=0.0)
    assert word_table(model.fit(words, labels).model_)["bird"] == [3.0, 4.0, 5.0]
