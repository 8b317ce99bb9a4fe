"""Files that are whole or not there: hashes, flushing, and writing under a temporary name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

__all__ = ["flush", "read_tensors", "sha256", "sha256_of_json", "write_atomically", "write_tensors"]


def sha256(path: Path) -> str:
    """The file's hash in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(content: Any) -> str:
    """The hash of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write under a temporary name, flush to the disk, and rename."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_text(text, encoding="utf-8")
        flush(temporary)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.replace(path)
    flush(path.parent)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file under a temporary name, flush it to the disk, and rename.

    Raises:
        OSError: when it cannot be written; what had the name before stays.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)
        flush(temporary)
    except SafetensorError as error:  # what a full disk looks like from inside the library
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path}: cannot be written ({error})") from error
    temporary.replace(path)
    flush(path.parent)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        OSError: it cannot be read.
        SafetensorError: it is not whole.
    """
    return load(path.read_bytes())  # the library's own way to a file takes no names but Unicode's


def flush(path: Path) -> None:
    """Push a file or folder to the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
