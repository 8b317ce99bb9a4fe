"""Puts the tables of options into the pages, from the config classes that the commands themselves use."""

from __future__ import annotations

import re
from typing import Any

from throughtime.cli.options import flag
from throughtime.config import Config
from throughtime.data.config import DataConfig, MusicConfig, PassageConfig
from throughtime.data.language import LanguageConfig
from throughtime.data.lexicon import LexiconConfig
from throughtime.data.music import RollConfig
from throughtime.data.noise import NoiseConfig
from throughtime.data.pairs import PairConfig
from throughtime.data.tagged import SentenceConfig
from throughtime.data.two_sided import TwoSidedConfig
from throughtime.data.vocabulary import VocabularyConfig
from throughtime.decode.beam import BeamConfig
from throughtime.decode.sampling import SamplingConfig
from throughtime.inspect.lab.vanishing import VanishingConfig
from throughtime.model import RunConfig
from throughtime.tasks import (
    ClassifierConfig,
    ComposerConfig,
    GeneratorConfig,
    LabelerConfig,
    RaterConfig,
    TranslatorConfig,
)
from throughtime.train.config import MusicTrainConfig, PassageTrainConfig, TrainConfig

SETTINGS = (
    *(DataConfig, VocabularyConfig, ClassifierConfig, RaterConfig),
    *(SentenceConfig, LexiconConfig, LabelerConfig),
    *(PassageConfig, LanguageConfig, GeneratorConfig, PassageTrainConfig, SamplingConfig),
    *(MusicConfig, RollConfig, ComposerConfig, MusicTrainConfig),
    *(PairConfig, NoiseConfig, TwoSidedConfig, TranslatorConfig, BeamConfig),
    *(TrainConfig, RunConfig, VanishingConfig),
)
CONFIGS = {config.__name__: config for config in SETTINGS}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each ``{{ options NAME }}``; an unknown name is an error, so that no page goes out with a hole."""
    return re.sub(r"\{\{ options (\w+) \}\}", lambda found: table(CONFIGS[found[1]]), markdown)


def table(config: type[Config]) -> str:
    """One row a field."""
    rows = ["| option | default | what it does |", "|---|---|---|"]
    for name, field in config.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        text = (field.description or "").replace("|", r"\|").replace("<", "&lt;")
        rows.append(f"| `{flag(config.prefix + name)}` | {default} | {text} |")
    return "\n".join(rows)
