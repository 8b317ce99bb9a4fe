"""Vectors of distinct words: those of each occurrence alone, at every size."""

import pytest
import torch

from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.nn.words import WordEncoder
from throughtime.ragged import Ragged

SENTENCES = [["the", "Dog", "sees", "the", "dog"], ["the", "a" * 40], ["x"], ["dog", "the", "the"]]
LEXICON = Lexicon.learn(SENTENCES, LexiconConfig(spelling=True))


def make(**settings):
    torch.manual_seed(0)
    options = {"spelling": LEXICON.spelling, "num_characters": len(LEXICON.letters), "character_hidden": 3, **settings}
    return WordEncoder(len(LEXICON), 4, character_size=3, **options)


def occurrences(encoder, sentences):
    """``[N, F]``: every occurrence of every word computed for itself."""
    alone = [LEXICON.encode([[word]]).to("cpu").forms for sentence in sentences for word in sentence]
    return torch.cat([encoder(form.symbols, form.characters) for form in alone])


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
def test_each_distinct_word_once_is_each_occurrence_alone(cell):
    encoder = make(cell=cell).double()
    words = LEXICON.encode(SENTENCES).to("cpu")
    assert len(words.forms) == 6
    together = encoder(words.forms.symbols, words.forms.characters)[words.values]
    alone = occurrences(encoder, SENTENCES)
    torch.testing.assert_close(together, alone)
    weight = torch.randn_like(alone)
    parameters = list(encoder.parameters())
    found = torch.autograd.grad((together * weight).sum(), parameters)
    expected = torch.autograd.grad((alone * weight).sum(), parameters)
    torch.testing.assert_close(found, expected)


def test_without_gradients_it_is_so_to_the_bit():
    encoder = make().eval()
    words = LEXICON.encode(SENTENCES).to("cpu")
    with torch.no_grad():
        together = encoder(words.forms.symbols, words.forms.characters)[words.values]
        assert torch.equal(together, occurrences(encoder, SENTENCES))


def test_letters_stand_beside_the_words_own_vector():
    encoder = make().eval()
    forms = LEXICON.encode([["dog", "Dog", "zebra", "zebu"]]).to("cpu").forms
    vectors = encoder(forms.symbols, forms.characters)
    assert vectors.shape == (4, encoder.output_size) == (4, 4 + 2 * 3)
    torch.testing.assert_close(vectors[:, :4], encoder.embedding(forms.symbols))
    letters = encoder.letters(forms.characters)[1]
    torch.testing.assert_close(vectors[:, 4:], letters)
    assert not torch.equal(vectors[2], vectors[3])  # two unknown words are not alike


def test_without_letters_and_without_spelling():
    encoder = make(num_characters=0, spelling=None)
    assert encoder.output_size == 4
    symbols = torch.tensor([[5], [6]])
    assert torch.equal(encoder(symbols), encoder.embedding.word.weight[[5, 6]])
    with pytest.raises(ValueError, match="expected the characters of each word, found none"):
        make()(LEXICON.encode([["dog"]]).to("cpu").forms.symbols)


def test_word_dropout_hides_words_as_often_as_it_says_and_leaves_letters():
    unknown = torch.zeros(len(LEXICON))
    unknown[4], unknown[5] = 0.3, 1.0
    encoder = make(unknown=unknown)
    symbols = torch.zeros(6000, 1 + LEXICON.spelling[0], dtype=torch.int64)
    symbols[:, 0] = torch.tensor([4, 5, 6]).repeat(2000)
    letters = Ragged.from_lengths(torch.tensor([2, 3]).repeat(6000), [2] * 6000)
    with torch.no_grad():
        shown = encoder(symbols, letters)
        encoder.eval()
        plain = encoder(symbols, letters)
        hidden = encoder(symbols.index_fill(1, torch.tensor([0]), encoder.unk), letters)
    assert torch.equal(shown[:, 4:], plain[:, 4:])
    is_hidden = (shown != plain).any(1)
    assert torch.equal(torch.where(is_hidden[:, None], hidden, plain), shown)
    shares = is_hidden.reshape(-1, 3).float().mean(0)
    assert shares[0].item() == pytest.approx(0.3, abs=0.05)
    assert shares[1:].tolist() == [1.0, 0.0]
