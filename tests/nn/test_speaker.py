"""What a speaker says at each step is what the decoder says of the whole, in whatever rows and from any state."""

import pytest
import torch
from torch import nn

from throughtime.nn.attention import ATTENTIONS
from throughtime.nn.decoder import Decoder
from throughtime.ragged import Ragged

SOURCES = (3, 1, 5, 3)
OPTIONS = {
    "after": {},
    "feeding": {"input_feeding": True},
    "copying": {"copying": True},
    "coverage": {"coverage": True},
    "everything": {"input_feeding": True, "copying": True, "coverage": True},
}
options = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def drawn(**given):
    torch.manual_seed(3)
    settings = {"memory_size": 4, "cell": "lstm", "embedding_size": 6, "hidden_size": 4, "num_layers": 2} | given
    decoder = Decoder(12, **settings).double().eval()
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.7)
    sources = Ragged.from_lengths(torch.randn(sum(SOURCES), 4, dtype=torch.float64), SOURCES)
    symbols = sources.with_values(torch.randint(12, (sum(SOURCES),)))
    return decoder, sources, symbols, torch.randn(len(SOURCES), 4, dtype=torch.float64)


def taken(state, rows):
    return tuple(part.index_select(1, rows) for part in state)


@options
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("attention", ATTENTIONS)
@torch.no_grad()
def test_it_says_what_the_decoder_says(cell, attention, options):
    """From a state that is not zero; rows look at sources in any order, several at one, and change between steps."""
    decoder, sources, symbols, final = drawn(cell=cell, attention=attention, **options)
    memory, speaker = decoder.remember(sources, symbols=symbols), decoder.speaker()
    own = speaker.remember(sources, symbols)
    state = decoder(Ragged.from_list([[5, 5], [1], [4, 3, 2], [1]]), memory, decoder.start(final, memory)).state
    rows = torch.tensor([2, 0, 2, 3, 1, 2])
    state = taken(state, rows)
    for number in range(5):  # in the course of which every symbol's product is looked up
        heard = torch.randint(12, (len(rows),))
        wanted, after = decoder.step(heard, memory, state, rows)
        found, state = speaker(heard, own, state, rows)
        torch.testing.assert_close(found, wanted)
        for left, right in zip(state, after, strict=True):
            torch.testing.assert_close(left, right)
        kept = torch.randperm(len(rows))[: 6 - number]
        rows, state = rows[kept], taken(state, kept)


@torch.no_grad()
def test_a_speaker_knows_one_state_of_learning():
    """The first steps, which look nothing up, and the later ones, which do, say the same to the bit."""
    decoder, sources, _, final = drawn()
    speaker, rows = decoder.speaker(), torch.arange(4)
    memory, state = speaker.remember(sources), decoder.start(final)
    heard = torch.tensor([1, 2, 3, 4])
    said = [speaker(heard, memory, state, rows)[0] for _ in range(5)]
    assert all(torch.equal(one, said[0]) for one in said)
