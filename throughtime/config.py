"""The base of all settings: the one source of command-line flags, of ``config.json`` and of the docs' tables."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Config"]


class Config(BaseModel):
    """Settings: immutable, checked when made, and without unknown names. Every field has a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
