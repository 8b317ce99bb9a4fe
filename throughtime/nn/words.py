"""A vector for each distinct word: its own, that of its spelling, and what a recurrence reads in its letters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from throughtime.nn.embedding import SpelledEmbedding
from throughtime.nn.encoder import EMBEDDING_STD, SymbolEncoder
from throughtime.ragged import Ragged

__all__ = ["WordEncoder"]


class WordEncoder(nn.Module):
    """Words in, one vector of ``output_size`` each out.

    Letters are read by a recurrence of two directions, whose last states stand beside the word's own vector, as in
    Lample et al. (2016), "Neural architectures for named entity recognition", section 4.1.

    Args:
        num_words: size of the vocabulary, ``V``.
        embedding_size: ``E``.
        spelling: how many features of its spelling come with each word, and the number of their values.
        num_characters: 0 does not read letters.
        character_size: size of a letter's embedding.
        character_hidden: hidden units of each of the letters' directions.
        cell: that reads the letters: ``elman``, ``lstm`` or ``gru``.
        dropout: share of the letters' embedding hidden in training, one mask a word.
        unknown: ``[V]`` how likely each word is to be shown as ``unk`` in training; none for never.
        unk: the symbol that stands for unknown words.

    >>> _ = torch.manual_seed(0)
    >>> encoder = WordEncoder(20, 8, num_characters=30, character_size=4, character_hidden=5)
    >>> encoder(torch.tensor([[7], [9]]), Ragged.from_list([[2, 7, 3], [2, 3]])).shape
    torch.Size([2, 18])
    """

    def __init__(
        self,
        num_words: int,
        embedding_size: int,
        *,
        spelling: tuple[int, int] | None = None,
        num_characters: int = 0,
        character_size: int = 32,
        character_hidden: int = 32,
        cell: str = "lstm",
        dropout: float = 0.0,
        unknown: Tensor | None = None,
        unk: int = 1,
    ) -> None:
        super().__init__()
        self.unk = unk
        self.unknown: Tensor | None
        self.register_buffer("unknown", unknown, persistent=False)
        self.embedding = SpelledEmbedding(num_words, *(spelling or (0, 0)), embedding_size)
        for table in self.embedding.parameters():
            nn.init.normal_(table, std=EMBEDDING_STD)
        self.output_size = embedding_size
        self.letters: SymbolEncoder | None = None
        if num_characters:
            self.letters = SymbolEncoder(
                num_characters,
                embedding_size=character_size,
                cell=cell,
                hidden_size=character_hidden,
                bidirectional=True,
                embedding_dropout=dropout,
            )
            self.output_size += self.letters.output_size

    def forward(self, symbols: Tensor, characters: Ragged | None = None) -> Tensor:
        """``[U, output_size]``.

        Args:
            symbols: ``[U, 1 + S]`` of ``U`` words, with their spelling's features.
            characters: of each word, never empty; needed where letters are read.
        """
        if self.training and self.unknown is not None:
            hidden = torch.rand(len(symbols), device=symbols.device) < self.unknown[symbols[:, 0]]
            symbols = torch.cat([symbols[:, :1].masked_fill(hidden[:, None], self.unk), symbols[:, 1:]], 1)
        vectors: Tensor = self.embedding(symbols)
        if self.letters is None:
            return vectors
        if characters is None:
            raise ValueError("expected the characters of each word, found none")
        return torch.cat([vectors, self.letters(characters)[1]], 1)
