"""A trained model as a folder: save, load, predict, evaluate.

``config.json`` (with a format number and the other files' hashes), ``model.safetensors``, ``tokenizer.json`` (the
``tokenizers`` library's own), ``labels.json``; beside them ``metrics.jsonl``, ``report.html`` and ``README.md``.
Nothing in it is ever executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, SerializeAsAny, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file

from throughtime.config import Config
from throughtime.data.batches import Batches, Dataset
from throughtime.data.columns import Example
from throughtime.data.encoded import encode_texts
from throughtime.data.vectors import Vectors
from throughtime.data.vocabulary import Vocabulary, VocabularyConfig
from throughtime.errors import DataError, ModelError, UsageError
from throughtime.storage import sha256, sha256_of_json, write_atomically, write_tensors
from throughtime.stream import Stream
from throughtime.tasks import TASKS, ClassifierConfig, TextTask
from throughtime.tasks.pooled import PooledConfig
from throughtime.tasks.targets import Targets
from throughtime.version import __version__

__all__ = ["FILES", "FORMAT", "Model", "ModelConfig", "RunConfig", "load"]

FORMAT = 1
FILES = ("model.safetensors", "tokenizer.json", "labels.json")
EVALUATION_TOKENS = 8192


class RunConfig(Config):
    """What a run needs besides, to be made again."""

    seed: int = Field(1, ge=0, le=2**63 - 1, description="decides every random choice")
    threads: int = Field(2, ge=1, description="threads to compute with, where there are so many cores")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where to compute")


class ModelConfig(Config):
    """All that ``config.json`` holds.

    ``environment`` says with what versions and on what machine it was trained, ``files`` are the hashes of a finished
    model's files.
    """

    format: int = FORMAT
    throughtime: str = __version__
    task: Literal["classify", "rate"] = "classify"
    command: str = ""
    vocabulary: VocabularyConfig = VocabularyConfig()
    network: SerializeAsAny[PooledConfig] = ClassifierConfig()
    train: dict[str, Any] = Field(default_factory=dict)
    run: RunConfig = RunConfig()
    data: dict[str, Any] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)
    result: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _network_of_the_task(cls, content: Any) -> Any:
        """The network's settings are those of the task's class."""
        network = content.get("network")
        if not isinstance(network, dict) or content.get("task", "classify") not in TASKS:
            return content
        return content | {"network": TASKS[content.get("task", "classify")][1].model_validate(network)}

    def settled(self) -> ModelConfig:
        """With what some settings decide of others: the defaults for characters, no spelling beside one-hot inputs."""
        vocabulary = self.vocabulary
        if self.network.one_hot:
            vocabulary = vocabulary.model_copy(update={"spelling": False})
        return self.model_copy(update={"vocabulary": vocabulary, "network": self.network.for_tokens(vocabulary.tokens)})


class Model:
    """A trained model: predict, evaluate, save.

    Args:
        config: everything it was made with.
        vocabulary: its symbols, or how vectors are scaled.
        task: the network, with its targets.

    Make one with ``throughtime train`` and read it with :func:`load`.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary | Vectors, task: TextTask) -> None:
        self.config, self.vocabulary, self.task = config, vocabulary, task.eval()

    @property
    def labels(self) -> list[str]:
        """The classes, or grades, in the order of the probabilities' columns; empty where there are none."""
        return self.task.targets.labels

    # ---- using it ----

    def answers(self, texts: Sequence[str]) -> np.ndarray:
        """``[M, K]``: all that the task tells of each text; for classes their probabilities, for ratings see the rater.

        Raises:
            UsageError: for one text in place of a list of them.
        """
        if isinstance(texts, str):
            raise UsageError("expected a list of texts, found one text: put it in a list")
        texts = list(texts)
        if not texts:
            return np.zeros((0, len(self.task.targets.answer_names())), dtype=np.float32)
        batches = self.batches(Dataset(self.vocabulary.encode(texts)))
        rows: list[int] = []
        tables = []
        for batch in batches:
            rows.extend(batch.rows)
            tables.append(self.task.answers(batch.inputs).cpu().numpy())
        table = np.concatenate(tables)
        back = np.empty(len(rows), dtype=np.int64)
        back[rows] = np.arange(len(rows))
        found: np.ndarray = table[back]
        return found

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """``[M, C]``: the probability of each label for each text.

        Raises:
            UsageError: for one text in place of a list of them; from a model whose answers are numbers of any size.
        """
        answers = self.answers(texts)
        if answers.shape[1] < len(self.labels) or not self.labels:
            raise UsageError("expected a model with classes or grades, found one whose answers are plain numbers")
        return answers[:, answers.shape[1] - len(self.labels) :]

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """The most probable label of each text, or its number."""
        return [self.task.targets.cells(answer)[0] for answer in self.answers(texts)]

    def evaluate(self, examples: Sequence[Example]) -> dict[str, Any]:
        """The task's metrics: see its ``evaluate``.

        Raises:
            DataError: for a label that the model does not know, with its place.
        """
        if not examples:
            raise DataError("expected examples to evaluate on, found none")
        return self.task.evaluate(self.batches(encode(examples, self.vocabulary, self.task.targets)))

    def stream(self) -> Stream:
        """See :class:`~throughtime.stream.Stream`; for models of texts that read one way."""
        if isinstance(self.vocabulary, Vectors):
            raise UsageError("expected a model of texts to stream, found one of arrays")
        return Stream(self.task, self.vocabulary)

    def batches(self, data: Dataset) -> Batches:
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

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model's files; ``config.json`` comes last, so that a folder that has its hashes is whole."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / "model.safetensors", self.task.state_dict())
        self.save_settings(folder)
        hashes = {name: sha256(folder / name) for name in FILES}
        hashes["config.json"] = _settings_hash(self.config.model_dump(mode="json"))
        self.config = self.config.model_copy(update={"files": hashes})
        write_atomically(folder / "config.json", self.config.model_dump_json(indent=2) + "\n")

    def save_settings(self, folder: Path) -> None:
        """Write all but the weights, as a run does before its first step.

        Raises:
            UsageError: for a model of vectors, which has no folder's form yet.
        """
        if isinstance(self.vocabulary, Vectors):
            raise UsageError("expected a model of texts to write into a folder, found one of arrays: pickle it instead")
        unfinished = self.config.model_copy(update={"files": {}})
        write_atomically(folder / "config.json", unfinished.model_dump_json(indent=2) + "\n")
        self.vocabulary.save(folder / "tokenizer.json")
        targets = json.dumps(self.task.targets.to_json(), ensure_ascii=False, indent=2)
        write_atomically(folder / "labels.json", f"{targets}\n")


def choose_device(name: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means on this machine.

    Raises:
        UsageError: when CUDA is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UsageError("expected a CUDA device for --device cuda, found none")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and there) else "cpu")


def encode(examples: Sequence[Example], vocabulary: Vocabulary | Vectors, targets: Targets) -> Dataset:
    """Examples as symbols, or vectors, and targets.

    Raises:
        DataError: for a label that cannot be a target, with its place.
    """
    encoded = targets.encode(examples)
    if isinstance(vocabulary, Vectors):
        return Dataset(vocabulary.encode([example.text for example in examples]), encoded, examples)
    return Dataset(encode_texts(examples, vocabulary).inputs, encoded, examples)


def load(folder: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Model:
    """Read a model folder; runs nothing from it.

    Raises:
        ModelError: when a file is missing, altered, or of a newer format, or training has not finished.
    """
    folder = Path(folder)
    config = read_config(folder)
    if not config.files:
        raise ModelError(
            f"{folder}: expected a finished model, found one whose training has not come to its end: "
            "go on with the same train command and --resume"
        )
    for name in FILES:
        _check_file(folder / name, config.files.get(name, "none"))
    return assemble(folder, config, device)


def read_config(folder: Path) -> ModelConfig:
    """``config.json`` alone.

    Raises:
        ModelError: when it is missing, cannot be read, or is of a newer format.
    """
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        number = content["format"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(f"{folder}: expected a model folder, found no config.json in it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: expected a model's settings, found a file that cannot be read ({error})") from error
    if type(number) is not int or not 1 <= number <= FORMAT:
        raise ModelError(f"{path}: expected format {FORMAT} or older, found {number}: it needs a newer throughtime")
    files = content.get("files")
    if isinstance(files, dict) and files and files.get("config.json") != _settings_hash(content):
        raise ModelError(f"{path}: expected the settings that were saved, found others: the file was altered")
    try:
        return ModelConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: expected a model's settings, found at {place}: {first['msg']}") from error


def assemble(folder: Path, config: ModelConfig, device: str | torch.device) -> Model:
    """The model of a folder whose files were found to be whole."""
    vocabulary = Vocabulary.load(folder / "tokenizer.json", config.vocabulary)
    make, _, targets = TASKS[config.task]
    labels = targets.from_json(json.loads((folder / "labels.json").read_text(encoding="utf-8")))
    task = make(config.network, len(vocabulary), labels, spelling=vocabulary.spelling)  # type: ignore[arg-type]
    try:
        task.load_state_dict(load_file(folder / "model.safetensors"))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder / 'model.safetensors'}: expected weights of this model, found others") from error
    return Model(config, vocabulary, task.to(device))


def _settings_hash(content: dict[str, Any]) -> str:
    """Of all settings but the hashes themselves."""
    return sha256_of_json({name: value for name, value in content.items() if name != "files"})


def _check_file(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise ModelError(f"{path}: expected a file of the model, found none ({error.strerror})") from error
    if found != expected:
        raise ModelError(f"{path}: expected hash {expected[:12]}…, found {found[:12]}…: the file was altered")
