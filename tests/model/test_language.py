"""Language models: what does not hang on how much is read at once."""

import os

import pytest
import torch

from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.data.passages import Documents
from throughtime.data.vocabulary import SOS, UNK
from throughtime.model import LanguageModel, ModelConfig, load
from throughtime.ragged import Ragged
from throughtime.tasks.generate import Generator, GeneratorConfig, NextSymbol
from throughtime.train.config import PassageTrainConfig

LINE = "The dogs bark. " * 20


def make_model(by="text", tokens="char", ends="\n", lowercase=False, **settings):
    torch.manual_seed(1)
    spoken = LanguageConfig(tokens=tokens, lowercase=lowercase)
    vocabulary = LanguageVocabulary.learn([LINE, ends, LINE, ends], spoken)
    network = GeneratorConfig(hidden_size=7, embedding_size=5, num_layers=2, **settings)
    task = Generator.build(network, vocabulary, NextSymbol(tokens, 0.0))
    source = {"by": by, "line_end": ends}
    return LanguageModel(ModelConfig(task="generate", network=network, data={"source": source}), vocabulary, task)


@pytest.mark.parametrize("by", ["text", "line"])
def test_a_long_line_is_scored_a_part_at_a_time(monkeypatch, by):
    model = make_model(by)
    whole, short = model.score([LINE, "bark"])
    monkeypatch.setattr("throughtime.model.language.EVALUATION_TOKENS", 64)
    read, losses = [], model.task.step_losses
    monkeypatch.setattr(model.task, "step_losses", lambda *given: read.append(len(given[0].targets)) or losses(*given))
    assert model.score([LINE]) == [whole]
    assert read == [64, 64, 64, 64, len(LINE) - 256 + (2 if by == "text" else 1)]
    assert model.score(["bark"]) == [short]


@pytest.mark.parametrize(
    ("asked", "streams"), [({"batch_size": 6}, 6), ({"batch_tokens": 45}, 4), ({"batch_tokens": 3}, 1)]
)
def test_a_batch_of_so_many_tokens_has_fewer_streams_and_chunks_as_long(asked, streams):
    model, data = make_model(chunk=10), Documents(Ragged.from_list([[2] + [5] * 200]))
    batches = model.training_batches(data, PassageTrainConfig(**asked))
    assert (batches.streams, batches.steps) == (streams, 10)


@pytest.mark.parametrize("tokens", ["word", "bpe"])
@pytest.mark.parametrize("prefix", ["The dogs", "The do", "The "])
def test_completions_share_what_is_left_of_the_symbols_that_do_not_come(tokens, prefix):
    model = make_model(tokens=tokens)
    with torch.no_grad():
        model.task.network.head.bias[UNK] = 2.0
    found = model.complete(prefix, 50)
    assert 0 < sum(probability for _, probability in found) <= 1 + 1e-9


@pytest.mark.parametrize("tokens", ["char", "byte", "word", "bpe"])
def test_lines_of_a_windows_text_are_read_between_line_ends_of_its_kind(tokens):
    """The scores of two lines, the second of which is read after the first's end, as one text that ends so."""
    model = make_model(tokens=tokens, ends="\r\n")
    first, second = model.score(["The dogs bark.", "bark"])
    end = model.vocabulary.encode("\r\n").tolist()
    symbols = torch.tensor([SOS, *end, *model.vocabulary.encode("The dogs bark.").tolist(), *end])
    with torch.no_grad():
        scores, _ = model.task(Ragged.from_lengths(symbols[:-1], [len(symbols) - 1]))
    told = scores.log_softmax(1).gather(1, symbols[1:, None])[len(end) :]
    assert first.log_probability == pytest.approx(float(told.sum()), rel=1e-5)
    assert (first.tokens, first.characters) == (len(told), len("The dogs bark.\r\n"))
    data = model.read(["The dogs bark.", "bark"])
    assert (data.tokens, data.characters) == (first.tokens + second.tokens, first.characters + second.characters)


@pytest.mark.parametrize("tokens", ["char", "word", "bpe"])
def test_capitals_are_completed_where_there_are_only_small_letters(tokens):
    model = make_model(tokens=tokens, lowercase=True)
    assert model.complete("The DO") == model.complete("the do") != []


@pytest.mark.parametrize(
    ("letters", "told"), [("É", ["é"]), ("\u0130", ["i", "\u0307"]), ("\udcff", ["\ufffd"]), ("DOGS", [])]
)
def test_letters_that_are_not_known_are_told_as_they_are_read(letters, told):
    """In small letters, of which a capital I with a dot has two; and no surrogate stands alone."""
    said = make_model(lowercase=True).unknown_in(letters)
    found = f"expected characters of the training text, found {', '.join(map(repr, told))}: read as unknown"
    assert said == (found if told else "")


def test_a_model_is_read_from_a_folder_of_any_name(tmp_path):
    model, folder = make_model(), tmp_path / os.fsdecode(b"m\xff")
    model.save(folder)
    assert load(folder).score([LINE]) == model.score([LINE])
