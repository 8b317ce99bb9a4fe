"""Going on from a model: what must stay as it was, and what is taken over."""

from __future__ import annotations

from throughtime.errors import UsageError
from throughtime.model import Model, ModelConfig
from throughtime.tasks import Task

__all__ = ["check_alike", "inherit"]

FREE = {
    *("dropout", "word_dropout", "recurrent_dropout", "label_smoothing", "class_weights", "calibrate"),
    *("hidden_dropout", "input_dropout", "embedding_dropout", "weight_drop"),
    *("softmax", "ar", "tar", "chunk", "random_chunks"),
    *("coverage_weight", "sampling", "sampling_half"),
}
"""Settings of a network that say how it is learnt: its weights fit, whatever they are."""

NOT_LEARNT = {"class_weights", "temperature"}
"""What a task holds besides weights: the one follows from its settings, the other is found anew, if at all."""


def check_alike(model: Model, config: ModelConfig) -> None:
    """Make sure that a model's weights, vocabulary and targets are those of these settings.

    Args:
        model: what is gone on from.
        config: the settled settings to go on with.

    Raises:
        UsageError: naming the first setting that differs.
    """
    # The network first: one_hot decides of the vocabulary's spelling.
    for before, now in ((model.config.network, config.network), (model.config.vocabulary, config.vocabulary)):
        expected = before.model_dump(exclude=FREE)
        for name, found in now.model_dump(exclude=FREE).items():
            if found != expected.get(name):
                raise UsageError(
                    f"{name}: expected {expected.get(name)!r}, as in the model to go on from, found {found!r}"
                )


def inherit(task: Task, model: Model) -> None:
    """Give a new task the weights that a model has learnt."""
    weights = {name: weight for name, weight in model.task.state_dict().items() if name not in NOT_LEARNT}
    task.load_state_dict(task.state_dict() | weights)
