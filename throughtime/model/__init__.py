"""A trained model as a folder: save, load, predict, evaluate.

``config.json`` (with a format number and the other files' hashes), ``model.safetensors``, ``tokenizer.json`` (the
``tokenizers`` library's own; of words that are read letter by letter ``characters.json`` too; of chords ``rolls.json``
instead; of pairs ``source.json`` and ``target.json``), ``labels.json``; beside them ``metrics.jsonl``, ``report.html``
and ``README.md``. Nothing in it is ever executed.
"""

from throughtime.model.base import Model, choose_device
from throughtime.model.config import FORMAT, ModelConfig, RunConfig, read_config, training_of
from throughtime.model.folder import FILES, load
from throughtime.model.labels import LabelModel
from throughtime.model.language import LanguageModel, Scored
from throughtime.model.music import ComposerModel, ScoredPiece
from throughtime.model.texts import TextModel
from throughtime.model.translate import Answer, Looked, TranslatorModel

__all__ = [
    "FILES",
    "FORMAT",
    "Answer",
    "ComposerModel",
    "LabelModel",
    "LanguageModel",
    "Looked",
    "Model",
    "ModelConfig",
    "RunConfig",
    "Scored",
    "ScoredPiece",
    "TextModel",
    "TranslatorModel",
    "choose_device",
    "load",
    "read_config",
    "training_of",
]
