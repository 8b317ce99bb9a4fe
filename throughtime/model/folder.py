"""Reading a model's folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from throughtime.data.lexicon import Lexicon, LexiconConfig
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import ModelError
from throughtime.model.base import Model
from throughtime.model.config import ModelConfig, read_config
from throughtime.model.labels import LabelModel
from throughtime.model.texts import TextModel
from throughtime.storage import sha256
from throughtime.tasks import TASKS

__all__ = ["FILES", "load", "make_model"]

FILES = ("model.safetensors", *dict.fromkeys((*Vocabulary.files, *Lexicon.files)), "labels.json")
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
    spoken: type[Vocabulary] | type[Lexicon] = Lexicon if isinstance(config.vocabulary, LexiconConfig) else Vocabulary
    for name in ("model.safetensors", *spoken.files, "labels.json"):
        _check_file(folder / name, config.files.get(name, "none"))
    vocabulary = spoken.load(folder, config.vocabulary)  # type: ignore[arg-type]
    kind = TASKS[config.task]
    targets = kind.targets.from_json(json.loads((folder / "labels.json").read_text(encoding="utf-8")))
    task = kind.task.build(config.network, vocabulary, targets)  # type: ignore[arg-type]
    try:
        task.load_state_dict(load_file(folder / "model.safetensors"))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder / 'model.safetensors'}: expected weights of this model, found others") from error
    return make_model(config, vocabulary, task.to(device))


def make_model(config: ModelConfig, vocabulary: object, task: object) -> Model:
    """The model of these parts: what can be asked of it depends on its task."""
    kind = LabelModel if config.task == "label" else TextModel
    return kind(config, vocabulary, task)  # type: ignore[arg-type]


def _check_file(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise ModelError(f"{path}: expected a file of the model, found none ({error.strerror})") from error
    if found != expected:
        raise ModelError(f"{path}: expected hash {expected[:12]}…, found {found[:12]}…: the file was altered")
