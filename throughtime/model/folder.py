"""Reading a model's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from throughtime.config import Config
from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.music import RollConfig, Rolls
from throughtime.data.two_sided import TwoSided, TwoSidedConfig
from throughtime.data.vocabulary import Vocabulary, VocabularyConfig
from throughtime.errors import ModelError
from throughtime.model.base import Model, names_once
from throughtime.model.config import ModelConfig, read_config
from throughtime.model.labels import LabelModel
from throughtime.model.language import LanguageModel
from throughtime.model.music import ComposerModel
from throughtime.model.texts import TextModel
from throughtime.model.translate import TranslatorModel
from throughtime.storage import read_tensors, sha256
from throughtime.tasks import TASKS

__all__ = ["FILES", "load", "make_model"]

VOCABULARIES: dict[type[Config], Any] = {
    VocabularyConfig: Vocabulary,
    LexiconConfig: Lexicon,
    LanguageConfig: LanguageVocabulary,
    RollConfig: Rolls,
    TwoSidedConfig: TwoSided,
}
MODELS: dict[str, type[Model]] = {
    "label": LabelModel,
    "generate": LanguageModel,
    "compose": ComposerModel,
    "translate": TranslatorModel,
}

FILES = (
    "model.safetensors",
    *dict.fromkeys((*Vocabulary.files, *Lexicon.files, *Rolls.files, *TwoSided.files)),
    "labels.json",
)
"""All that a model may be made of; :attr:`Model.files` are those that one is."""


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
    spoken = VOCABULARIES[type(config.vocabulary)]
    for name in ("model.safetensors", *spoken.files, "labels.json"):
        _check_file(folder / name, config.files.get(name, "none"))
    vocabulary = spoken.load(folder, config.vocabulary)
    kind = TASKS[config.task]
    targets = kind.targets.from_json(json.loads((folder / "labels.json").read_text(encoding="utf-8")))
    task = kind.task.build(config.network, vocabulary, targets)  # type: ignore[arg-type]
    try:
        missing, unknown = task.load_state_dict(read_tensors(folder / "model.safetensors"), strict=False)
        if unknown or names_once(task) & set(missing):
            raise RuntimeError(f"without {missing}, with {unknown}")
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder / 'model.safetensors'}: expected weights of this model, found others") from error
    return make_model(config, vocabulary, task.to(device))


def make_model(config: ModelConfig, vocabulary: object, task: object) -> Model:
    """The model of these parts: what can be asked of it depends on its task."""
    return MODELS.get(config.task, TextModel)(config, vocabulary, task)  # type: ignore[arg-type]


def _check_file(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise ModelError(f"{path}: expected a file of the model, found none ({error.strerror})") from error
    if found != expected:
        raise ModelError(f"{path}: expected hash {expected[:12]}…, found {found[:12]}…: the file was altered")
