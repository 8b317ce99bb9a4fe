"""Recurrent sequence models, from your own file to a trained, saved, reusable model, with no work on padding.

>>> import throughtime as tt
>>> tt.pad(["Food was nice", "Delightful place"])
[['<sos>', 'Food', 'was', 'nice', '<eos>'], ['<sos>', 'Delightful', 'place', '<eos>', '<pad>']]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from throughtime.version import __version__

if TYPE_CHECKING:
    from throughtime import nn
    from throughtime.data.textbook import one_hot, pad
    from throughtime.errors import DataError, ModelError, ThroughtimeError, TrainingError, UsageError
    from throughtime.estimators import (
        SequenceClassifier,
        SequenceGenerator,
        SequenceLabeler,
        SequenceRegressor,
        SequenceTranslator,
    )
    from throughtime.model import Model, load
    from throughtime.ragged import Ragged

__all__ = [
    "DataError",
    "Model",
    "ModelError",
    "Ragged",
    "SequenceClassifier",
    "SequenceGenerator",
    "SequenceLabeler",
    "SequenceRegressor",
    "SequenceTranslator",
    "ThroughtimeError",
    "TrainingError",
    "UsageError",
    "__version__",
    "load",
    "nn",
    "one_hot",
    "pad",
]

# Imported when first asked for: `throughtime --help` and the readers need no PyTorch.
_HOMES = {
    "throughtime.data.textbook": ("one_hot", "pad"),
    "throughtime.errors": ("DataError", "ModelError", "ThroughtimeError", "TrainingError", "UsageError"),
    "throughtime.estimators": (
        "SequenceClassifier",
        "SequenceGenerator",
        "SequenceLabeler",
        "SequenceRegressor",
        "SequenceTranslator",
    ),
    "throughtime.model": ("Model", "load"),
    "throughtime.ragged": ("Ragged",),
}


def __getattr__(name: str) -> Any:
    if name == "nn":
        return importlib.import_module("throughtime.nn")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'throughtime' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
