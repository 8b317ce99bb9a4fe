"""Language models: what does not hang on how much is read at once."""

import pytest
import torch

from throughtime.data.language import LanguageConfig, LanguageVocabulary
from throughtime.model import LanguageModel, ModelConfig
from throughtime.tasks.generate import Generator, GeneratorConfig, NextSymbol

LINE = "The dogs bark. " * 20


@pytest.mark.parametrize("by", ["text", "line"])
def test_a_long_line_is_scored_a_part_at_a_time(monkeypatch, by):
    torch.manual_seed(1)
    vocabulary = LanguageVocabulary.learn([LINE, "\n"], LanguageConfig())
    settings = GeneratorConfig(hidden_size=7, embedding_size=5, num_layers=2)
    task = Generator.build(settings, vocabulary, NextSymbol("char", 0.0))
    model = LanguageModel(ModelConfig(task="generate", data={"source": {"by": by}}), vocabulary, task)
    whole, short = model.score([LINE, "bark"])
    monkeypatch.setattr("throughtime.model.language.EVALUATION_TOKENS", 64)
    read, losses = [], task.step_losses
    monkeypatch.setattr(task, "step_losses", lambda *given: read.append(len(given[0].targets)) or losses(*given))
    assert model.score([LINE]) == [whole]
    assert read == [64, 64, 64, 64, len(LINE) - 256 + (2 if by == "text" else 1)]
    assert model.score(["bark"]) == [short]
