"""What ``config.json`` of a model's folder holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, model_validator

from throughtime.config import Config
from throughtime.data.language import LanguageConfig
from throughtime.data.lexicon import LexiconConfig
from throughtime.data.music import RollConfig
from throughtime.data.noise import NoiseConfig
from throughtime.data.two_sided import TwoSidedConfig
from throughtime.data.vocabulary import VocabularyConfig
from throughtime.errors import ModelError
from throughtime.storage import sha256_of_json
from throughtime.tasks import TASKS, ClassifierConfig
from throughtime.tasks.compose import ComposerConfig
from throughtime.tasks.generate import GeneratorConfig
from throughtime.tasks.label import LabelerConfig
from throughtime.tasks.pooled import PooledConfig
from throughtime.tasks.translations import TranslatorConfig
from throughtime.train.config import MusicTrainConfig, PassageTrainConfig, TrainConfig
from throughtime.version import __version__

__all__ = ["FORMAT", "ModelConfig", "RunConfig", "read_config", "settings_hash", "training_of"]

FORMAT = 1


class RunConfig(Config):
    """What a run needs besides, to be made again."""

    seed: int = Field(1, ge=0, le=2**63 - 1, description="decides every random choice")
    threads: int = Field(2, ge=1, description="threads to compute with, where there are so many cores")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where to compute")


def training_of(task: str) -> type[TrainConfig]:
    """The settings of how a task's models learn."""
    own: dict[str, type[TrainConfig]] = {"generate": PassageTrainConfig, "compose": MusicTrainConfig}
    return own.get(task, TrainConfig)


class ModelConfig(Config):
    """All that ``config.json`` holds.

    ``noise`` says how sources were made, where nobody wrote any; ``environment`` with what versions and on what machine
    it was trained; ``files`` are the hashes of a finished model's files.
    """

    format: int = FORMAT
    throughtime: str = __version__
    task: Literal["classify", "rate", "label", "generate", "compose", "translate"] = "classify"
    command: str = ""
    vocabulary: SerializeAsAny[VocabularyConfig | LexiconConfig | LanguageConfig | RollConfig | TwoSidedConfig] = (
        VocabularyConfig()
    )
    network: SerializeAsAny[PooledConfig | LabelerConfig | GeneratorConfig | ComposerConfig | TranslatorConfig] = (
        ClassifierConfig()
    )
    train: dict[str, Any] = Field(default_factory=dict)
    run: RunConfig = RunConfig()
    data: dict[str, Any] = Field(default_factory=dict)
    noise: NoiseConfig | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    result: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _settings_of_the_task(cls, content: Any) -> Any:
        """Those of the vocabulary and of the network are of the task's classes."""
        kind = TASKS.get(content.get("task", "classify"))
        if kind is None:
            return content
        classes: dict[str, type[Config]] = {"vocabulary": kind.vocabulary, "network": kind.network}
        given = {name: content.get(name, {}) for name in classes}
        made = {name: classes[name].model_validate(own) for name, own in given.items() if isinstance(own, dict)}
        return content | made

    def settled(self, train: Any = (), like: ModelConfig | None = None) -> ModelConfig:
        """With what some settings decide of others: the defaults for characters, no spelling beside one-hot inputs.

        Args:
            train: examples to learn from, which may tell what the settings of a vocabulary leave open.
            like: settings of a model to go on from, which tell it where there is one.
        """
        vocabulary = self.vocabulary
        if isinstance(vocabulary, TwoSidedConfig):
            if vocabulary.joint is None:
                vocabulary = vocabulary.model_copy(update={"joint": self.noise is not None})
            if like is not None and isinstance(like.vocabulary, TwoSidedConfig):
                vocabulary = vocabulary.told_as(like.vocabulary)
            elif len(train):
                vocabulary = vocabulary.told_by(train)
        network, vocabulary = self.network.settled_with(vocabulary)  # type: ignore[arg-type]
        return self.model_copy(update={"vocabulary": vocabulary, "network": network})


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
    if isinstance(files, dict) and files and files.get("config.json") != settings_hash(content):
        raise ModelError(f"{path}: expected the settings that were saved, found others: the file was altered")
    try:
        return ModelConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: expected a model's settings, found at {place}: {first['msg']}") from error


def settings_hash(content: dict[str, Any]) -> str:
    """Of all settings but the hashes themselves."""
    return sha256_of_json({name: value for name, value in content.items() if name != "files"})
