"""From examples to what a run reads: a vocabulary, targets, and sequences of symbols."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from throughtime.data.batches import Dataset
from throughtime.data.columns import Example
from throughtime.data.encoded import encode_into, open_encoded
from throughtime.data.store import Store
from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import Vocabulary, VocabularyConfig
from throughtime.model import Model, ModelConfig, encode
from throughtime.storage import sha256_of_json
from throughtime.tasks import TASKS, Classes, Numbers

__all__ = ["Prepared", "Splits", "prepare"]

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Splits:
    """Examples to learn from, to choose by, and to report on at the end.

    ``folder`` is where what is made of them is kept, for as long as the folder is; none keeps it in memory.
    """

    train: Sequence[Example]
    valid: Sequence[Example] = ()
    test: Sequence[Example] = ()
    folder: Path | None = None


@dataclass(frozen=True)
class Facts:
    """What was counted of the encoded parts.

    Attributes:
        counts: how often each symbol occurs in training.
        unknown: share of the validation tokens that are not in the vocabulary.
        cut: training texts cut short by ``max_length``.
    """

    counts: list[int]
    unknown: float | None
    cut: int


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
    """

    vocabulary: Vocabulary | Vectors
    targets: Classes | Numbers
    facts: Facts
    train: Dataset
    valid: Dataset
    test: Dataset


def prepare(splits: Splits, config: ModelConfig, like: Model | None = None) -> Prepared:
    """Learn the vocabulary and the targets, or take those of a model, and encode all parts.

    Raises:
        DataError: see :func:`~throughtime.fit.fit`.
    """
    targets = like.task.targets if like else TASKS[config.task][2].learn(splits.train, config.network)  # type: ignore[arg-type]
    parts = (splits.train, splits.valid, splits.test)
    if splits.folder is not None and like is None:
        return _from_files(splits.folder, parts, config.vocabulary, targets)
    vocabulary = like.vocabulary if like else _vocabulary(splits.train, config.vocabulary)
    train, valid, test = (encode(part, vocabulary, targets) for part in parts)
    return Prepared(vocabulary, targets, _count(vocabulary, train, valid), train, valid, test)


def _vocabulary(examples: Sequence[Example], config: VocabularyConfig) -> Vocabulary | Vectors:
    """What turns texts, or arrays of numbers, into what the network reads."""
    if isinstance(examples[0].text, str):
        return Vocabulary.learn(_texts(examples), config)
    return Vectors.learn(list(_texts(examples)))


def _texts(examples: Sequence[Example]) -> Iterator[Any]:
    return (example.text for example in examples)


def _count(vocabulary: Vocabulary | Vectors, train: Dataset, valid: Dataset) -> Facts:
    counts, cut = vocabulary.counts(train.inputs), vocabulary.cut(_texts(train.examples))
    unknown = vocabulary.unknown(valid.inputs) if len(valid) else None
    for part in (train, valid):
        if part.mapped is not None:
            part.mapped.release()
    return Facts(counts, unknown, cut)


def _from_files(
    folder: Path, parts: Sequence[Sequence[Example]], config: VocabularyConfig, targets: Classes | Numbers
) -> Prepared:
    """Encoded once for each of the vocabulary's settings, and then read from there."""
    store = Store(folder)
    name = f"symbols-{sha256_of_json(config.model_dump())[:16]}"
    if store.find(name) is None:
        with store.make(name) as new:
            new.mkdir()
            _encode(new, parts, config, targets)
    made = store.folder / name
    vocabulary = Vocabulary.load(made / "tokenizer.json", config)
    facts = Facts(**json.loads((made / "facts.json").read_text(encoding="utf-8")))
    return Prepared(vocabulary, targets, facts, *_datasets(made, parts, vocabulary, targets))


def _encode(
    folder: Path, parts: Sequence[Sequence[Example]], config: VocabularyConfig, targets: Classes | Numbers
) -> None:
    vocabulary = Vocabulary.learn(_texts(parts[0]), config)
    vocabulary.save(folder / "tokenizer.json")
    for name, part in zip(PARTS, parts, strict=True):
        encode_into(folder, name, part, vocabulary)
    train, valid, _ = _datasets(folder, parts, vocabulary, targets)
    (folder / "facts.json").write_text(json.dumps(asdict(_count(vocabulary, train, valid))), encoding="utf-8")


def _datasets(
    folder: Path, parts: Sequence[Sequence[Example]], vocabulary: Vocabulary, targets: Classes | Numbers
) -> tuple[Dataset, Dataset, Dataset]:
    def read(name: str, part: Sequence[Example]) -> Dataset:
        encoded = open_encoded(folder, name, vocabulary)
        return Dataset(encoded.inputs, targets.encode(part), part, encoded.mapped)

    train, valid, test = map(read, PARTS, parts)
    return train, valid, test
