"""Weights on disk: state dicts of a user's, pretrained ones, and checkpoints while under way.

Nothing but tensors, numbers and text is ever unpickled.
"""

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.errors import BenchError
from harness.training.rotation_pretraining import Pretrained, Progress

FOLDER = "pretraining"


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a state dict by name, also of one that lies below the key `state_dict`.

    Raises BenchError, saying what was found, where the file holds no such thing.
    """
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BenchError(f"{file}: can't be read: {error.strerror or error}") from None
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else "damaged"
        text = f"{file}: not a file of weights alone: {type(error).__name__}: {reason}"
        raise BenchError(text) from None
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    if not isinstance(found, Mapping):
        raise BenchError(f"{file}: no state dict, but a {type(found).__name__}")
    state = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    if not state:
        raise BenchError(f"{file}: no state dict: {len(found)} entries, none of them a tensor")
    return state


def read_pretrained(folder: Path, name: str) -> Pretrained | None:
    """What `write_pretrained` left in a results folder; None where it is missing or damaged."""
    try:
        about = json.loads(_place(folder, name, "json").read_text(encoding="utf-8"))
        weights = read_state(_place(folder, name, "pt"))
        rows = tuple(dict(row) for row in about["epochs"])
        return Pretrained(weights, rows, about["val_accuracy"], about["test_accuracy"])
    except (OSError, ValueError, KeyError, TypeError, BenchError):
        return None


def write_pretrained(
    folder: Path, name: str, pretrained: Pretrained, about: Mapping[str, Any]
) -> None:
    """Weights as `<name>.pt`, then how they came about as `<name>.json`; the checkpoint goes.

    about: further JSON values, such as the configuration.
    """
    _replace(folder, _place(folder, name, "pt"), _packed(dict(pretrained.weights)))
    facts = {
        **about,
        "val_accuracy": pretrained.val_accuracy,
        "test_accuracy": pretrained.test_accuracy,
        "epochs": list(pretrained.rows),
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    _replace(folder, _place(folder, name, "json"), text.encode())
    _place(folder, name, "checkpoint").unlink(missing_ok=True)


def pack(progress: Progress) -> bytes:
    """A checkpoint as bytes, to be sent or kept."""
    rows = list(progress.rows)
    return _packed({"rows": rows, "model": progress.model, "optimizer": progress.optimizer})


def unpack(content: bytes) -> Progress:
    """What `pack` made. Raises whatever torch raises for damaged bytes."""
    found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    rows = tuple(found["rows"])
    return Progress(len(rows), rows, found["model"], found["optimizer"])


def write_checkpoint(folder: Path, name: str, content: bytes) -> None:
    """Keeps a packed checkpoint, in place of an earlier one."""
    _replace(folder, _place(folder, name, "checkpoint"), content)


def read_checkpoint(folder: Path, name: str) -> bytes | None:
    """The packed checkpoint of an interrupted pretraining; None where it is missing or damaged."""
    try:
        content = _place(folder, name, "checkpoint").read_bytes()
        unpack(content)
    except Exception:  # torch names many kinds of damage, and all mean: begin anew
        return None
    return content


def _place(folder: Path, name: str, kind: str) -> Path:
    return folder / FOLDER / f"{name}.{kind}"


def _packed(value: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(value), buffer)
    return buffer.getvalue()


def _replace(folder: Path, file: Path, content: bytes) -> None:
    """Written beside the tables and moved into place: a file is whole or not there."""
    temporary = folder / ".tmp" / file.name
    for parent in (temporary.parent, file.parent):
        parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(content)
    os.replace(temporary, file)
