"""What all trained models have in common."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from throughtime.data.batches import Batched, Batches, Dataset
from throughtime.data.language import LanguageVocabulary
from throughtime.data.lexicon import Lexicon
from throughtime.data.music import Rolls
from throughtime.data.two_sided import TwoSided
from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import DataError, UsageError
from throughtime.model.config import ModelConfig, settings_hash
from throughtime.storage import sha256, write_atomically, write_tensors
from throughtime.tasks import TASKS, Task
from throughtime.tasks.compose import ComposerConfig
from throughtime.tasks.generate import GeneratorConfig
from throughtime.tasks.label import LabelerConfig
from throughtime.tasks.pooled import PooledConfig
from throughtime.tasks.targets import Names
from throughtime.train.config import TrainConfig

__all__ = ["Model", "choose_device", "names_once", "recurrence_in_words"]

EVALUATION_TOKENS = 8192

AnyVocabulary = Vocabulary | Vectors | Lexicon | LanguageVocabulary | Rolls | TwoSided


class Model(ABC):
    """A trained model: predict, evaluate, save.

    Args:
        config: everything it was made with.
        vocabulary: its symbols, or how vectors are scaled.
        task: the network, with its targets.

    Make one with ``throughtime train`` and read it with :func:`~throughtime.model.load`.
    """

    vocabulary: AnyVocabulary
    task: Task

    def __init__(self, config: ModelConfig, vocabulary: AnyVocabulary, task: Task) -> None:
        self.config, self.vocabulary, self.task = config, vocabulary, task.eval()

    @property
    def labels(self) -> list[str]:
        """The classes, tags or grades, in the order of the probabilities' columns; empty where there are none."""
        return self.task.targets.labels

    @property
    def names(self) -> Names:
        """What its data is called."""
        return TASKS[self.config.task].names

    # ---- using it ----

    @abstractmethod
    def encode(self, examples: Sequence[Any]) -> Dataset:
        """Examples as what the network reads, with their targets.

        Raises:
            DataError: for a label that cannot be a target, with its place.
        """

    @abstractmethod
    def read(self, examples: Sequence[Any]) -> Any:
        """What the network reads of examples, whatever their labels are."""

    @abstractmethod
    def in_words(self) -> str:
        """The network in a sentence's part."""

    def evaluate(self, examples: Sequence[Any]) -> dict[str, Any]:
        """The task's metrics: see its ``evaluate``.

        Raises:
            DataError: for a label that the model does not know, with its place.
        """
        if not examples:
            raise DataError("expected examples to evaluate on, found none")
        return self.task.evaluate(self.batches(self.encode(examples)))

    def sample(self) -> str | None:
        """A short example of what it gives, the same chance each time; none where single answers say little."""
        return None

    def training_batches(self, data: Dataset, train: TrainConfig) -> Batched:
        """The dataset in batches to learn from."""
        tokens = train.batch_tokens or round(train.batch_size * float(data.inputs.lengths.double().mean()))
        return Batches(data, tokens, self.config.run.seed, self.device)

    def batches(self, data: Dataset) -> Batched:
        """The dataset in batches for evaluation, longest sequences first, where the weights are."""
        return Batches(data, EVALUATION_TOKENS, device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.task.parameters()).device

    @property
    def parameters(self) -> int:
        """How many weights there are; the length of a sequence has no part in it."""
        return sum(parameter.numel() for parameter in self.task.parameters())

    # ---- keeping it ----

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it is made of, beside ``config.json``.

        Raises:
            UsageError: for a model of vectors, which has no folder's form yet.
        """
        if isinstance(self.vocabulary, Vectors):
            raise UsageError("expected a model of texts to write into a folder, found one of arrays: pickle it instead")
        return ("model.safetensors", *self.vocabulary.files, "labels.json")

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model's files; ``config.json`` comes last, so that a folder that has its hashes is whole.

        Raises:
            UsageError: see :attr:`files`.
        """
        folder, files = Path(folder), self.files
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / "model.safetensors", self._tensors())
        self.save_settings(folder)
        hashes = {name: sha256(folder / name) for name in files}
        hashes["config.json"] = settings_hash(self.config.model_dump(mode="json"))
        self.config = self.config.model_copy(update={"files": hashes})
        write_atomically(folder / "config.json", self.config.model_dump_json(indent=2) + "\n")

    def _tensors(self) -> dict[str, torch.Tensor]:
        """All weights and buffers, each once: tied weights have several names, and are kept under the first."""
        kept = names_once(self.task)
        return {name: tensor for name, tensor in self.task.state_dict().items() if name in kept}

    def save_settings(self, folder: Path) -> None:
        """Write all but the weights, as a run does before its first step.

        Raises:
            UsageError: see :attr:`files`.
        """
        _ = self.files
        unfinished = self.config.model_copy(update={"files": {}})
        write_atomically(folder / "config.json", unfinished.model_dump_json(indent=2) + "\n")
        assert not isinstance(self.vocabulary, Vectors)
        self.vocabulary.save(folder)
        targets = json.dumps(self.task.targets.to_json(), ensure_ascii=False, indent=2)
        write_atomically(folder / "labels.json", f"{targets}\n")


def names_once(task: nn.Module) -> set[str]:
    """The names that weights and buffers are kept under; those that are tied have others too."""
    return {name for name, _ in chain(task.named_parameters(), task.named_buffers())}


def recurrence_in_words(network: PooledConfig | LabelerConfig | GeneratorConfig | ComposerConfig, over: str) -> str:
    """What the recurrence is, and what it reads.

    >>> recurrence_in_words(PooledConfig(bidirectional=False), "words")
    'a GRU over words with 128 units, reading one way'
    """
    cell = {"elman": "an Elman RNN", "lstm": "an LSTM", "gru": "a GRU"}[network.cell]
    layers = f"{network.num_layers} layers of " if network.num_layers > 1 else ""
    ways = " in each of two directions" if getattr(network, "bidirectional", False) else ", reading one way"
    return f"{cell} over {over} with {layers}{network.hidden_size} units{ways}"


def choose_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means on this machine.

    Raises:
        UsageError: when CUDA is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("expected a CUDA device for --device cuda, found none")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and there) else "cpu")
