"""What the commands that use a trained model share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from throughtime.data.columns import Source
from throughtime.errors import ModelError, UsageError
from throughtime.model import Model, load

__all__ = ["add_model", "open_model", "positive", "print_json", "source_of"]


def add_model(parser: argparse.ArgumentParser) -> None:
    """DIR, and where to compute."""
    parser.add_argument("model", type=Path, metavar="DIR", help="a model's folder")
    parser.add_argument("--quiet", action="store_true", help="show nothing but results and errors")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to compute with (default: the cores)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="where to compute")


def positive(word: str) -> int:
    """A whole number from 1, for argparse."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {word}")
    return int(word)


def open_model(arguments: argparse.Namespace) -> Model:
    """The model of DIR on the device asked for."""
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("expected a CUDA device for --device cuda, found none")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    return load(arguments.model, device=device)


def source_of(model: Model) -> Source:
    """How the model's training data was read."""
    try:
        return Source(**model.config.data["source"])
    except (KeyError, TypeError) as error:
        raise ModelError(
            "expected a model that knows how its training data was read, found one that does not"
        ) from error


def print_json(content: dict[str, Any]) -> None:
    """The one JSON object of ``--json``."""
    print(json.dumps(content, ensure_ascii=False))
