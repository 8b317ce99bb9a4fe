"""What all estimators share: parameters that are the config classes' fields, a seed, a held-out share, a folder."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from throughtime.config import Config, checked
from throughtime.data.split import stratified_split
from throughtime.errors import UsageError
from throughtime.fit import Splits, learn
from throughtime.model import Model, ModelConfig, RunConfig, training_of
from throughtime.tasks import TASKS
from throughtime.train.config import TrainConfig

__all__ = ["Estimator", "keep_all"]


class Estimator(BaseEstimator):  # type: ignore[misc]
    """Parameters are the fields of the config classes, with the same names and defaults."""

    _task: Literal["classify", "rate", "label", "generate", "translate"]
    model_: Any

    def _go_on_from(self) -> Model | None:
        """The model whose weights are gone on from, if any."""
        return self.model_ if self.warm_start and hasattr(self, "model_") else None

    def _learn(self, examples: Sequence[Any], like: Model | None) -> None:
        train, seed = self._settings(training_of(self._task)), _seed(self.random_state)
        config = self._config(train, seed)
        fitted = learn(self._split(examples, seed), config, train, like=like)
        self.model_ = fitted.model
        self.history_ = fitted.outcome.history
        self.n_iter_ = fitted.outcome.history[-1].update

    def save(self, folder: str | Path) -> None:
        """Write a model's folder, which :func:`throughtime.load` and the command line read; for models of texts."""
        check_is_fitted(self)
        self.model_.save(folder)

    # ---- parameters ----

    def _settings(self, config: type[Settings]) -> Settings:
        """The parameters that are this class's fields, but for those whose default is none and that are left at it.

        What is left open is settled by other settings, as on the command line: what suits characters by
        ``tokens="char"``.
        """
        given = self.get_params(deep=False)
        usual = {name: one.default for name, one in inspect.signature(type(self)).parameters.items()}
        chosen = {n: given[n] for n in config.model_fields if n in given and (given[n], usual[n]) != (None, None)}
        return checked(config, chosen)

    def _config(self, train: TrainConfig, seed: int) -> ModelConfig:
        return ModelConfig(
            task=self._task,
            vocabulary=self._settings(TASKS[self._task].vocabulary),
            network=self._settings(TASKS[self._task].network),
            run=self._settings(RunConfig).model_copy(update={"seed": seed}),
            train=train.model_dump(),
        )

    def _split(self, examples: Sequence[Any], seed: int) -> Splits:
        """A share to choose the best weights by, where there are enough."""
        if not self.validation_fraction or len(examples) < FEWEST_TO_SPLIT:
            return Splits(examples)
        kept, held = self._held_out(examples, seed)
        return Splits([examples[row] for row in kept], [examples[row] for row in held])

    def _held_out(self, examples: Sequence[Any], seed: int) -> tuple[list[int], list[int]]:
        """The rows to learn from, and those to choose by."""
        return stratified_split(TASKS[self._task].targets.strata(examples), self.validation_fraction, seed)


Settings = TypeVar("Settings", bound=Config)

FEWEST_TO_SPLIT = 20
"""Of fewer sequences none is held out: the rest would be too few to learn from, the held-out ones to choose by."""


def _seed(random_state: Any) -> int:
    """A whole number as it is; of None, or of a RandomState, a number drawn from it.

    Raises:
        UsageError: for anything else, and below 0.
    """
    if isinstance(random_state, numbers.Integral):
        return checked(RunConfig, {"seed": int(random_state)}, lambda _: "random_state").seed
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise UsageError(
            f"random_state: expected a whole number, a RandomState or None, found {random_state!r}"
        ) from error


def keep_all(estimator: Estimator, given: dict[str, Any]) -> None:
    """Each parameter as an attribute of its name, unchanged, as scikit-learn wants it."""
    for name in inspect.signature(type(estimator)).parameters:
        setattr(estimator, name, given[name])
