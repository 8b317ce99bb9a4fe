from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from throughtime.data.vocabulary import Vocabulary, VocabularyConfig
from throughtime.model import Model, ModelConfig
from throughtime.tasks import Classes, Classifier, ClassifierConfig
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
        "confusion": table,
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
            "result": result,
        }
        config = ModelConfig(**(settings | more))
        return Model(config, vocabulary, Classifier(network, len(vocabulary), Classes(list(labels))))

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
