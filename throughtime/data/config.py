"""How the user's files are read and parted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from throughtime.config import Config

__all__ = ["DataConfig", "MusicConfig", "PassageConfig"]


class DataConfig(Config):
    """Which columns, which format, and what is held out."""

    text: str | None = Field(None, description="the text's column: its name, or its number from 1")
    label: str | None = Field(None, description="the label's column: its name, or its number from 1")
    label_until: str | None = Field(None, description="keep the part of each label before this (DESC:manner, with ':')")
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "label-first", "file-per-class", "folder-per-class"] = (
        Field("auto", description="the files' format; told from name and content otherwise")
    )
    header: bool | None = Field(
        None, description="whether the first row names the columns; told from content otherwise"
    )
    encoding: str = Field("utf-8", description="how the files' bytes are read")
    valid: str = Field("0.1", description="choose by this: a file, or a share held out by the seed (0 for none)")
    strict: bool = Field(False, description="refuse data that looks wrong, where otherwise there is a warning")
    test: str | None = Field(None, description="report on this at the end: a file, or a share held out by the seed")


class PassageConfig(Config):
    """How running text is read, and what is held out."""

    by: Literal["text", "line"] = Field(
        "text",
        description="read each file as one text from its beginning to its end, or each line as a text of its own",
    )
    encoding: str = Field("utf-8", description="how the files' bytes are read")
    valid: str = Field(
        "0.1",
        description="choose by this: a file, or a share held out (the text's end, a million characters at most, or "
        "lines by the seed; 0 for none)",
    )
    strict: bool = Field(False, description="refuse data that looks wrong, where otherwise there is a warning")
    test: str | None = Field(
        None, description="report on this at the end: a file, or a share held out as the validation data is"
    )


class MusicConfig(Config):
    """How music is read, and what is held out."""

    step: float | None = Field(
        None,
        gt=0,
        description="a step's length in quarter notes (MIDI 0.25; JSON what the file's name says, else 1)",
    )
    valid: str | None = Field(
        None,
        description="choose by this: a file, or a share of the pieces held out by the seed (the file's own part valid, "
        "else 0.1; 0 for none)",
    )
    strict: bool = Field(False, description="refuse data that looks wrong, where otherwise there is a warning")
    test: str | None = Field(
        None,
        description="report on this at the end: a file, or a share held out by the seed (the file's own part test)",
    )
