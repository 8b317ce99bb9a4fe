"""The base of all settings: the one source of command-line flags, of ``config.json`` and of the docs' tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from throughtime.errors import UsageError

__all__ = ["Config", "checked"]

Settings = TypeVar("Settings", bound="Config")


class Config(BaseModel):
    """Settings: immutable, checked when made, and without unknown names. Every field has a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    prefix: ClassVar[str] = ""
    """What the flags' names begin with, where the fields' own would not tell what is meant."""


def checked(config: type[Settings], given: dict[str, Any], name: Callable[[str], str] = str) -> Settings:
    """The settings that are given; fields that are not keep their defaults.

    Args:
        config: their class.
        given: values by the fields' names.
        name: what the user calls a field.

    Raises:
        UsageError: when a value is out of range: one sentence with its name.
    """
    try:
        return config(**given)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        wanted = re.sub(r"^Input should be (?=greater|less)", "expected a value ", first["msg"])
        wanted = wanted.replace("Input should be", "expected").replace("Value error, ", "")
        raise UsageError(f"{name(field)}: {wanted}, found {first['input']!r}") from error
