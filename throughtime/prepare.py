"""From examples to what a run reads: a vocabulary, targets, and sequences of symbols or words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import tokenizers
import torch
from torch import Tensor

from throughtime.data.batches import Dataset
from throughtime.data.columns import Example
from throughtime.data.encoded import Encoded, encode_into, encode_texts, open_encoded
from throughtime.data.encoded_pairs import encode_pairs
from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.data.lexicon import Lexicon, LexiconConfig, as_read
from throughtime.data.music import Frames, RollConfig, Rolls
from throughtime.data.noise import NoisyPairs
from throughtime.data.passages import Documents, Lines, encode_passages, encode_passages_into, open_kept
from throughtime.data.pretrained import Pretrained, vectors_for
from throughtime.data.readers.sentences import Sentence
from throughtime.data.running import RunningText
from throughtime.data.store import FORMAT, Store, make_private
from throughtime.data.two_sided import TwoSided, TwoSidedConfig
from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import SPECIALS, UNK, Vocabulary, VocabularyConfig
from throughtime.data.words import Words
from throughtime.errors import DataError, ModelError
from throughtime.model import Model, ModelConfig
from throughtime.ragged import Ragged
from throughtime.storage import sha256_of_json
from throughtime.tasks import TASKS, Chords, Classes, LabelerConfig, NextSymbol, Numbers, Tags, Translations
from throughtime.tasks.tags import wholly_seen

__all__ = ["Covered", "Prepared", "Splits", "Start", "prepare"]

_PIECES_FROM = 1 << 26
"""Characters that byte-pair pieces are learnt from at most: the library holds all that differs in them in memory."""

_MADE = 1000
"""Texts one of which must take an error, if their language is to be learnt from errors at all."""

Said = Callable[[str], None]
Targets = Classes | Numbers | Tags | NextSymbol | Chords | Translations


@dataclass(frozen=True)
class Splits:
    """Examples to learn from, to choose by, and to report on at the end.

    ``folder`` is where what is made of them is kept, for as long as the folder is; none keeps it in memory.
    """

    train: Any
    valid: Any = ()
    test: Any = ()
    folder: Path | None = None


@dataclass(frozen=True)
class Facts:
    """What was counted of the encoded parts.

    Attributes:
        counts: how often each symbol occurs in training; of pairs in the sources.
        unknown: share of the validation tokens that are not in the vocabulary.
        cut: training texts cut short by ``max_length``.
        covered: which words have a vector made elsewhere, for training and validation, where such are asked for.
    """

    counts: list[int]
    unknown: float | None
    cut: int
    covered: tuple[Covered, ...] = ()


@dataclass(frozen=True)
class Covered:
    """How many of a part's ``words`` have a vector made elsewhere, and the ``share`` of its text that they make up."""

    part: str
    found: int
    words: int
    share: float


@dataclass(frozen=True)
class Start:
    """Vectors made elsewhere that some words begin with.

    Attributes:
        words: ``[n]`` their symbols.
        vectors: ``[n, E]``.
        sha256: of words and vectors.
    """

    words: Tensor
    vectors: Tensor
    sha256: str


@dataclass(frozen=True)
class Prepared:
    """What a run reads.

    Attributes:
        vocabulary: learnt from the training part, or how its vectors are scaled.
        targets: learnt from it too.
        facts: what was counted.
        train: the parts, encoded.
        valid: may be empty.
        test: may be empty.
        start: what words begin with, if it was made elsewhere.
    """

    vocabulary: Vocabulary | Vectors | Lexicon | LanguageVocabulary | Rolls | TwoSided
    targets: Targets
    facts: Facts
    train: Dataset
    valid: Dataset
    test: Dataset
    start: Start | None = None


def prepare(
    splits: Splits, config: ModelConfig, like: Model | None = None, said: Said = lambda words: None
) -> Prepared:
    """Learn the vocabulary and the targets, or take those of a model, and encode all parts.

    Args:
        splits: the parts.
        config: the model's settings.
        like: the model whose vocabulary and targets are taken.
        said: is told what is being done, now and then.

    Raises:
        DataError: see :func:`~throughtime.fit.fit`.
    """
    if config.task == "generate":
        return _of_passages(splits, config, like, said)
    if config.task == "compose":
        return _of_pieces(splits, config, like)
    if config.task == "translate":
        return _of_pairs(splits, config, like, said)
    targets: Any = like.task.targets if like else TASKS[config.task].targets.learn(splits.train, config.network)  # type: ignore[arg-type]
    parts: dict[str, Any] = {"train": splits.train, "valid": splits.valid, "test": splits.test}
    if isinstance(targets, Tags):
        return _of_sentences(parts, targets, config, like, said)
    if not isinstance(splits.train[0].text, str):
        return _of_arrays(parts, targets, like)
    assert isinstance(config.vocabulary, VocabularyConfig)
    if splits.folder is None or like is not None:
        vocabulary = like.vocabulary if like else _learn(parts["train"], config.vocabulary, said)
        assert isinstance(vocabulary, Vocabulary)
        encoded = {name: encode_texts(_told(name, part, said), vocabulary) for name, part in parts.items()}
        return _prepared(vocabulary, targets, parts, encoded)
    settings = config.vocabulary

    def write(folder: Path, name: str, vocabulary: Vocabulary) -> int:
        return encode_into(folder, name, _told(name, parts[name], said), vocabulary)

    def read(folder: Path, name: str, vocabulary: Vocabulary, cut: int) -> Encoded:
        encoded = open_encoded(folder, name, vocabulary, cut)
        if len(encoded.inputs) != len(parts[name]):
            raise ValueError(f"expected {len(parts[name])} {name} texts, found {len(encoded.inputs)}")
        return encoded

    files = _Files(
        list(parts),
        lambda: _learn(parts["train"], settings, said),
        lambda folder: Vocabulary.load(folder, settings),
        write,
        read,
    )
    vocabulary, encoded = files.kept(splits.folder, settings)
    return _prepared(vocabulary, targets, parts, encoded)


def _of_passages(splits: Splits, config: ModelConfig, like: Model | None, said: Said) -> Prepared:
    settings = config.vocabulary
    assert isinstance(settings, LanguageConfig)
    parts: dict[str, Any] = {"train": splits.train, "valid": splits.valid, "test": splits.test}

    def learn() -> LanguageVocabulary:
        said("learning the symbols")
        try:
            return LanguageVocabulary.learn(_blocks(splits.train, settings), settings)
        except DataError as error:  # of the text as a whole, whose file only the settings know
            raise DataError(error.message, path=error.path or config.data.get("train", {}).get("path")) from None

    def write(folder: Path, name: str, vocabulary: LanguageVocabulary) -> Any:
        said(f"encoding the {name} text")
        return encode_passages_into(folder, name, parts[name], vocabulary)

    def read(folder: Path, name: str, vocabulary: LanguageVocabulary, facts: Any) -> Documents | Lines:
        return open_kept(folder, name, vocabulary, facts, parts[name])

    def encode(name: str, vocabulary: LanguageVocabulary) -> Documents | Lines:
        said(f"encoding the {name} text")
        return encode_passages(parts[name], vocabulary)

    if splits.folder is None or like is not None:
        vocabulary = like.vocabulary if like else learn()
        assert isinstance(vocabulary, LanguageVocabulary)
        encoded = {name: encode(name, vocabulary) for name in parts}
    else:
        files = _Files(list(parts), learn, lambda folder: LanguageVocabulary.load(folder, settings), write, read)
        vocabulary, encoded = files.kept(splits.folder, settings)
    train, valid, test = encoded.values()
    counts = train.counts(len(vocabulary))
    unknown = valid.counts(len(vocabulary))[UNK] / len(valid.inputs.values) if len(valid) else None
    targets = NextSymbol.learn(counts, settings.tokens)
    return Prepared(vocabulary, targets, Facts(counts, unknown, 0), train, valid, test)


def _blocks(examples: Any, config: LanguageConfig) -> Iterator[str]:
    """What symbols are learnt from: all of it, but byte-pair pieces of a large text from every so many blocks one."""
    if not isinstance(examples, RunningText):
        return (example.text for example in examples)
    every = -(-len(examples) // _PIECES_FROM) if config.tokens == "bpe" else 1
    return islice((block for _, block in examples.pieces()), None, None, every)


def _of_pieces(splits: Splits, config: ModelConfig, like: Model | None) -> Prepared:
    assert isinstance(config.vocabulary, RollConfig)
    parts = (splits.train, splits.valid, splits.test)
    # All parts say how far the keys reach: a pitch beyond them could not be told at all.
    rolls = like.vocabulary if like else Rolls.fit([p for part in parts for p in part], keys=config.vocabulary.keys)
    assert isinstance(rolls, Rolls)
    train, valid, test = (Frames(rolls.encode(part, torch.uint8), examples=part) for part in parts)
    targets = Chords.learn(train.inputs, rolls.quarters)
    return Prepared(rolls, targets, Facts([], None, 0), train, valid, test)


def _of_pairs(splits: Splits, config: ModelConfig, like: Model | None, said: Said) -> Prepared:
    assert isinstance(config.vocabulary, TwoSidedConfig)
    said("learning the symbols")
    vocabulary = like.vocabulary if like else TwoSided.learn(splits.train, config.vocabulary)
    assert isinstance(vocabulary, TwoSided)
    said("encoding the pairs")
    parts: list[Any] = [splits.train, splits.valid, splits.test]
    if config.noise is not None:  # the symbols are those of what is right
        parts = [NoisyPairs(part, config.noise, config.run.seed) for part in parts]
        if all(pair.text in pair.targets for pair in islice(parts[0], _MADE)):
            raise DataError(
                f"expected English in which errors can be made (--noise), found none in the first {_MADE:,} texts",
                path=config.data.get("train", {}).get("path"),
            )
    train, valid, test = (encode_pairs(part, vocabulary) for part in parts)
    sides = zip((train.inputs, train.told), (vocabulary.source, vocabulary.target), strict=True)
    counts, told = (torch.bincount(own.values, minlength=len(side)).tolist() for own, side in sides)
    unknown = float((valid.inputs.values == UNK).double().mean()) if len(valid) else None
    return Prepared(
        vocabulary, Translations.learn(told, vocabulary.config.sides), Facts(counts, unknown, 0), train, valid, test
    )


def _of_arrays(parts: Mapping[str, Sequence[Example]], targets: Classes | Numbers, like: Model | None) -> Prepared:
    vocabulary = like.vocabulary if like else Vectors.learn([example.text for example in parts["train"]])
    assert isinstance(vocabulary, Vectors)
    train, valid, test = (
        Dataset(vocabulary.encode([example.text for example in part]), targets.encode(part), part)
        for part in parts.values()
    )
    return Prepared(vocabulary, targets, Facts([], None, 0), train, valid, test)


def _of_sentences(
    parts: Mapping[str, Sequence[Sentence]], targets: Tags, config: ModelConfig, like: Model | None, said: Said
) -> Prepared:
    assert isinstance(config.vocabulary, LexiconConfig)
    assert isinstance(config.network, LabelerConfig)
    found = None if like else _found(parts, config.network, config.vocabulary, said)
    words = (sentence.tokens for sentence in parts["train"])
    lexicon = like.vocabulary if like else Lexicon.learn(words, config.vocabulary, found.words if found else ())
    assert isinstance(lexicon, Lexicon)
    encoded = [lexicon.encode(sentence.tokens for sentence in part) for part in parts.values()]
    train, valid, test = (
        Dataset(own, targets.encode(part), part) for own, part in zip(encoded, parts.values(), strict=True)
    )
    _check_choice(valid)
    facts = Facts(lexicon.counts(encoded[0]), lexicon.unknown(encoded[1]) if len(valid) else None, 0)
    if found is None:
        return Prepared(lexicon, targets, facts, train, valid, test)
    start = _start(found, lexicon)
    watched = {"train": encoded[0], "valid": encoded[1]} if len(valid) else {"train": encoded[0]}
    facts = replace(facts, covered=tuple(_covered(name, own, start.words) for name, own in watched.items()))
    return Prepared(lexicon, targets, facts, train, valid, test, start)


def _found(
    parts: Mapping[str, Sequence[Sentence]], network: LabelerConfig, config: LexiconConfig, said: Said
) -> Pretrained | None:
    """The vectors of the words of all parts, so that a word which training does not show has one too."""
    if network.vectors is None:
        return None
    forms = Counter(word for part in parts.values() for sentence in part for word in sentence.tokens)
    often = (form for form, _ in forms.most_common() if form not in SPECIALS)
    return vectors_for(network.vectors, often, as_read(config), said)


def _start(found: Pretrained, lexicon: Lexicon) -> Start:
    symbols = torch.tensor(lexicon.numbers(found.words), dtype=torch.int64)
    return Start(symbols, torch.from_numpy(found.table), found.sha256)


def _covered(part: str, words: Words, symbols: Tensor) -> Covered:
    of_forms = torch.isin(words.forms.symbols[:, 0].long(), symbols)
    share = float(of_forms[words.values.long()].double().mean())
    return Covered(part, int(of_forms.sum()), len(of_forms), share)


def _check_choice(valid: Dataset) -> None:
    """Refuse validation data without one sentence that a loss, and so the best weights, could be told by."""
    assert isinstance(valid.targets, Ragged)
    if len(valid) and not len(wholly_seen(valid.targets)):
        raise DataError(
            "expected a validation sentence with no other labels than those of the training data, found none: "
            "hold out other sentences, more of them, or none",
            path=valid.examples[0].path,
        )


def _prepared(
    vocabulary: Vocabulary,
    targets: Classes | Numbers,
    parts: Mapping[str, Sequence[Example]],
    encoded: Mapping[str, Encoded],
) -> Prepared:
    train, valid, test = (
        Dataset(own.inputs, targets.encode(parts[name]), parts[name], own.mapped) for name, own in encoded.items()
    )
    unknown = vocabulary.unknown(valid.inputs) if len(valid) else None
    facts = Facts(vocabulary.counts(train.inputs), unknown, encoded["train"].cut)
    for part in (train, valid):
        if part.mapped is not None:
            part.mapped.release()
    return Prepared(vocabulary, targets, facts, train, valid, test)


def _learn(examples: Sequence[Example], config: VocabularyConfig, said: Said) -> Vocabulary:
    said("learning the vocabulary")
    return Vocabulary.learn((example.text for example in examples), config)


def _told(name: str, examples: Sequence[Example], said: Said) -> Iterator[Example]:
    for number, example in enumerate(examples):
        if number % 4096 == 0:
            said(f"encoding the {name} texts: {number:,} of {len(examples):,}")
        yield example


_V = TypeVar("_V", Vocabulary, LanguageVocabulary)
_E = TypeVar("_E")


@dataclass(frozen=True)
class _Files(Generic[_V, _E]):
    """Encoded parts in a folder, made once for each of the vocabulary's settings, and then read from there.

    Attributes:
        names: of the parts.
        learn: makes the vocabulary.
        load: reads it from a folder.
        write: writes a part into a folder, and gives what JSON keeps for reading it.
        read: reads it with that.
    """

    names: Sequence[str]
    learn: Callable[[], _V]
    load: Callable[[Path], _V]
    write: Callable[[Path, str, _V], Any]
    read: Callable[[Path, str, _V, Any], _E]

    def kept(self, folder: Path, settings: VocabularyConfig | LanguageConfig) -> tuple[_V, dict[str, _E]]:
        """The vocabulary and the parts, made first if they are not there."""
        name = f"symbols-{sha256_of_json([FORMAT, tokenizers.__version__, settings.model_dump()])[:16]}"
        return Store(folder).get(name, self._make, self._open)

    def _make(self, folder: Path) -> None:
        make_private(folder)
        vocabulary = self.learn()
        vocabulary.save(folder)
        facts = {name: self.write(folder, name, vocabulary) for name in self.names}
        (folder / "parts.json").write_text(json.dumps(facts), encoding="utf-8")

    def _open(self, folder: Path) -> tuple[_V, dict[str, _E]]:
        try:
            vocabulary = self.load(folder)
        except ModelError as error:
            raise ValueError("a damaged vocabulary") from error
        facts = json.loads((folder / "parts.json").read_text(encoding="utf-8"))
        return vocabulary, {name: self.read(folder, name, vocabulary, facts[name]) for name in self.names}
