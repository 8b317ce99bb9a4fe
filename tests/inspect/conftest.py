from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from throughtime.data.columns import Example
from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.readers.sentences import ColumnSentence
from throughtime.data.tagged import SentenceConfig
from throughtime.data.vocabulary import Vocabulary, VocabularyConfig
from throughtime.inspect.report import Answered, Chances, Evidence, Labelled
from throughtime.metrics import MOST_IN_MATRIX
from throughtime.model import LabelModel, Model, ModelConfig, TextModel
from throughtime.tasks import (
    Classes,
    Classifier,
    ClassifierConfig,
    Labeler,
    LabelerConfig,
    Numbers,
    Rater,
    RaterConfig,
    Tags,
)
from throughtime.train.config import TrainConfig
from throughtime.train.protocol import Record


def metrics(labels: Sequence[str]) -> dict[str, Any]:
    """Class ``n`` is right 20 + n times, and taken for the class before it 3 times."""
    size = len(labels)
    table = [[(20 + i) * (i == j) + 3 * (j == (i - 1) % size) for j in range(size)] for i in range(size)]
    examples = sum(map(sum, table))
    return {
        "accuracy": (examples - 3 * size) / examples,
        "macro_f1": 0.8642,
        "f1_by_class": {label: (number + 1) / size for number, label in enumerate(labels)},
        "loss": 0.2468,
        "examples": examples,
        **({"confusion": table} if size <= MOST_IN_MATRIX else {}),
    }


@pytest.fixture
def make_model() -> Callable[..., Model]:
    def make(labels: Sequence[str] = ("ham", "spam"), *, valid: bool = True, test: bool = True, **more: Any) -> Model:
        vocabulary = Vocabulary.learn(["some words of a text"], VocabularyConfig())
        network = ClassifierConfig(cell="gru", hidden_size=4, embedding_size=3)
        result = {
            "reason": "2 epochs are done (--epochs)",
            "best": {"update": 20, "epoch": 2.0},
            "updates": 20,
            "seconds": 75.0,
            "valid": metrics(labels) if valid else None,
            "test": metrics(labels) if test else None,
        }
        data = {
            "train": {"path": "private/texts.csv", "rows": 1234, "sha256": "ab" * 32},
            "valid": {"rows": 100 if valid else 0},
            "test": {"rows": 56 if test else 0},
            "options": {"valid": "0.1", "test": "0.05"},
            "source": {"format": "csv", "header": True, "text": "body", "label": "kind", "notes": ["read as commas"]},
        }
        settings: dict[str, Any] = {
            "network": network,
            "train": TrainConfig(epochs=2).model_dump(),
            "command": "throughtime train classify private/texts.csv --epochs 2 --out model",
            "data": data,
            "environment": {"tokenizers": "0.98.7", "threads": "3"},
            "result": result,
        }
        config = ModelConfig(**(settings | more))
        return TextModel(config, vocabulary, Classifier(network, len(vocabulary), Classes(list(labels))))

    return make


@pytest.fixture
def make_history() -> Callable[..., list[Record]]:
    def make(evaluations: int = 3, labels: Sequence[str] = ("ham", "spam"), *, valid: bool = True) -> list[Record]:
        return [
            Record(
                update=10 * number,
                epoch=float(number),
                loss=1 / number,
                grad_norm=0.5 + number,
                clipped=0.25,
                lr=0.002,
                seconds=30.0 * number,
                valid=metrics(labels) | {"loss": 2 / number} if valid else None,
                best=number <= 2,
            )
            for number in range(1, evaluations + 1)
        ]

    return make


@pytest.fixture
def make_rater() -> Callable[..., Model]:
    def make(labels: Sequence[str] = ("1", "2", "3"), *, valid: bool = True) -> Model:
        vocabulary = Vocabulary.learn(["some words of a text"], VocabularyConfig())
        network = RaterConfig(cell="gru", hidden_size=4, embedding_size=3)
        numbers = Numbers.learn([Example("a text", label, "marks.csv", 1) for label in labels], network)
        scores = {"mae": 0.5, "rmse": 0.75, "accuracy": None, "spearman": 0.25, "loss": 1.0, "examples": 60}
        best = {"update": 20, "epoch": 2.0}
        result = {"reason": "done", "best": best, "updates": 20, "seconds": 75.0, "valid": scores if valid else None}
        config = ModelConfig(task="rate", network=network, result=result)
        return TextModel(config, vocabulary, Rater(network, len(vocabulary), numbers))

    return make


@pytest.fixture
def make_answered() -> Callable[..., Answered]:
    """Texts of the words ``text 0 …``, each as long as it says, and what was told of them.

    Targets are classes where they are whole numbers, and grades from 1 where they are not.
    """

    def make(answers: Any, targets: Any, texts: Sequence[str] = (), *, uncalibrated: Any = None) -> Answered:
        answers, targets = np.array(answers, dtype=np.float32), np.array(targets)
        classes = np.issubdtype(targets.dtype, np.integer)
        table, labels = (answers, targets) if classes else (answers[:, 1:], targets.astype(int) - 1)
        before = None if uncalibrated is None else torch.tensor(uncalibrated)
        chances = Chances.of(torch.tensor(table), torch.tensor(labels), before) if table.shape[1] else None
        texts = texts or [f"text {row}" for row in range(len(targets))]
        examples = [Example(text, None, "folder/texts.csv", row + 2) for row, text in enumerate(texts)]
        lengths = np.array([len(text.split()) for text in texts])
        return Answered(examples, lengths, targets, answers.argmax(1) if classes else answers[:, 0], chances)

    return make


@pytest.fixture
def make_evidence(make_answered: Callable[..., Answered]) -> Callable[..., Evidence]:
    """Sixty texts of each part, answered by two classes: every fourth wrongly, and the more surely the later."""

    def make(parts: Sequence[str] = ("valid", "test"), rows: int = 60, texts: Sequence[str] = ()) -> Evidence:
        targets = np.arange(rows) % 2
        told = np.where(np.arange(rows) % 4 == 3, 1 - targets, targets)
        sure = 0.6 + 0.39 * np.arange(rows) / rows
        chances = np.where(np.arange(2)[None] == told[:, None], sure[:, None], 1 - sure[:, None]).astype(np.float32)
        texts = texts or [" ".join(["word"] * (1 + row)) for row in range(rows)]
        own = {part: make_answered(chances, targets, texts) for part in parts}
        lengths = {"train": np.arange(1, 100), **{part: own[part].lengths for part in parts}}
        return Evidence(lengths, own)

    return make


@pytest.fixture
def make_tagger() -> Callable[..., Model]:
    """A model that labels words: tags where ``scheme`` is none, else spans of these types."""

    def make(
        names: Sequence[str] = ("LOC", "PER"), scheme: str | None = "bio", part: str = "valid", **result: Any
    ) -> Model:
        lexicon = Lexicon.learn([["some", "words"]], LexiconConfig())
        labels = ["O", *(f"{letter}-{name}" for name in names for letter in "BIES")] if scheme else list(names)
        targets = Tags(labels, (5,) * len(labels), scheme, "iobes" if scheme else None, "as the file shows")
        network = LabelerConfig(hidden_size=4, embedding_size=3, character_size=3, character_hidden=2)
        scores = {"accuracy": 0.75, "accuracy_unknown": 0.5, "loss": 0.25, "tokens": 60, "sequences": 20}
        if scheme:
            scores |= {"f1": 0.625, "precision": 0.5, "recall": 0.75, "f1_by_type": {names[0]: 0.375}}
        told = {"reason": "done", "best": {"update": 20, "epoch": 2.0}, "updates": 20, "seconds": 75.0, part: scores}
        data = {"train": {"path": "private/words.conll", "rows": 12}, "options": SentenceConfig().model_dump()}
        config = ModelConfig(
            task="label",
            network=network,
            vocabulary=LexiconConfig(),
            train=TrainConfig(epochs=2).model_dump(),
            data=data,
            result=told | result,
        )
        return LabelModel(config, lexicon, Labeler(network, lexicon, targets))

    return make


@pytest.fixture
def make_labelled() -> Callable[..., Labelled]:
    """Sentences of ``(word, label, told)``, which spells a file; later words are more frequent, later losses less."""

    def make(sentences: Sequence[Sequence[tuple[str, str, str]]], *, spans: bool = False, **more: Any) -> Labelled:
        words = [word for sentence in sentences for word in sentence]
        names = list(dict.fromkeys(name for _, *pair in words for name in pair))
        read, line = [], 1
        for sentence in sentences:
            lines = list(range(line, line + len(sentence)))
            tokens, labels = ([word[at] for word in sentence] for at in (0, 1))
            read.append(ColumnSentence(tokens, labels, lines, "folder/words.conll", line, " ", [], []))
            line = lines[-1] + 2
        made = {
            "sentences": read,
            "offsets": np.cumsum([0, *map(len, sentences)]),
            "names": names,
            "labels": np.array([names.index(label) for _, label, _ in words], dtype=np.int32),
            "told": np.array([names.index(told) for *_, told in words], dtype=np.int32),
            "counts": np.arange(len(words), dtype=np.int32),
            "losses": -np.arange(len(sentences), dtype=np.float32),
            "spans": spans,
        }
        return Labelled(**(made | more))

    return make
