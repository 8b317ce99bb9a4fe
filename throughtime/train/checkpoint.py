"""Checkpoints: a folder each, tensors in safetensors and the rest in JSON, never pickle.

A checkpoint is written under a temporary name and renamed, so that one that exists is whole; it carries the hashes
of both parts, so that one that was cut short or altered since is found out and the one before it is used.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from throughtime.storage import flush, read_tensors, sha256, sha256_of_json, write_tensors

__all__ = ["Checkpoint", "latest_checkpoint", "remove_checkpoints", "save_checkpoint"]

KEEP = 2


@dataclass(frozen=True)
class Checkpoint:
    """``state`` is JSON; ``tensors`` are named."""

    state: dict[str, Any]
    tensors: dict[str, Tensor]


def save_checkpoint(folder: Path, update: int, state: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write the checkpoint of an update into ``folder`` and remove all but the ``KEEP`` newest.

    Raises:
        OSError: when the disk is full, say; earlier checkpoints stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"update-{update:09d}"
    temporary = folder / f".update-{update:09d}.partial"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        write_tensors(temporary / "tensors.safetensors", tensors)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    content = {"state": state, "sha256": _hashes(state, temporary)}
    (temporary / "state.json").write_text(json.dumps(content), encoding="utf-8")
    for part in (temporary / "state.json", temporary):
        flush(part)
    if target.exists():  # an altered one that was passed over, made again
        shutil.rmtree(target)
    temporary.rename(target)
    flush(folder)
    # Those beyond this update were found damaged and passed over: what they held comes again.
    earlier = [path for path in _checkpoints(folder) if path.name <= target.name]
    for path in _checkpoints(folder):
        if path not in earlier[-KEEP:]:
            shutil.rmtree(path)
    return target


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints, and the folder if nothing else is in it."""
    for path in (*_checkpoints(folder), *folder.glob(".update-*.partial")):
        shutil.rmtree(path)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def latest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and a sentence on each newer one that is not."""
    warnings: list[str] = []
    for path in reversed(_checkpoints(folder)):
        try:
            return _read(path), warnings
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.append(f"{path}: cut short or altered, so it is not used ({error})")
    return None, warnings


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("update-*")) if folder.is_dir() else []


def _hashes(state: dict[str, Any], path: Path) -> dict[str, str]:
    return {"state": sha256_of_json(state), "tensors.safetensors": sha256(path / "tensors.safetensors")}


def _read(path: Path) -> Checkpoint:
    content = json.loads((path / "state.json").read_text(encoding="utf-8"))
    found = _hashes(content["state"], path)
    for part, expected in content["sha256"].items():
        if found[part] != expected:
            raise ValueError(f"{part}: expected hash {expected[:12]}…, found {found[part][:12]}…")
    return Checkpoint(content["state"], read_tensors(path / "tensors.safetensors"))
