"""What the commands that use a trained model share."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from throughtime.data.columns import Source
from throughtime.errors import ModelError
from throughtime.model import Model, choose_device, load

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
    device = choose_device(arguments.device)
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
