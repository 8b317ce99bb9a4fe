"""Command-line flags from config classes, which are their one source."""

from __future__ import annotations

import argparse
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from throughtime.config import Config, checked

__all__ = ["add_config", "add_fields", "flag", "given_fields", "read_config_flags"]

Settings = TypeVar("Settings", bound=Config)


def flag(name: str) -> str:
    """``hidden_size`` as ``--hidden-size``."""
    return "--" + name.replace("_", "-")


def add_config(parser: argparse.ArgumentParser, config: type[Config]) -> None:
    """A flag for every field, in a group headed by the class's summary line."""
    fields = {config.prefix + name: field for name, field in config.model_fields.items()}
    add_fields(parser, (config.__doc__ or "").partition("\n")[0].rstrip("."), fields)


def add_fields(parser: argparse.ArgumentParser, title: str, fields: Mapping[str, FieldInfo]) -> None:
    """A flag for each of some fields, in a group of its own."""
    group = parser.add_argument_group(title)
    for name, field in fields.items():
        group.add_argument(flag(name), dest=name, default=argparse.SUPPRESS, **_argument(field))


def read_config_flags(arguments: argparse.Namespace, config: type[Settings]) -> Settings:
    """The settings that the flags give; fields without a flag keep their defaults.

    Raises:
        UsageError: when a value is out of range.
    """
    given = {name: getattr(arguments, config.prefix + name) for name in given_fields(arguments, config)}
    return checked(config, given, lambda name: flag(config.prefix + name))


def given_fields(arguments: argparse.Namespace, config: type[Config]) -> list[str]:
    """The fields that flags were given for."""
    return [name for name in config.model_fields if hasattr(arguments, config.prefix + name)]


def _argument(field: FieldInfo) -> dict[str, Any]:
    kinds = _kinds(field.annotation)
    default = "" if field.default is None else f" (default: {_shown(field.default)})"
    help = (field.description or "").replace("%", "%%") + default.replace("%", "%%")
    if bool in kinds:
        return {"action": argparse.BooleanOptionalAction, "help": help}
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return {"choices": choices, "help": help}
    kind = next(kind for kind in kinds if kind is not type(None))
    metavar = {int: "N", float: "X", str: "TEXT"}[kind]
    return {"type": kind, "metavar": metavar, "help": help}


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """``int | None`` as ``(int, NoneType)``."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
