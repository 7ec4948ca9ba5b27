"""Weights on disk: state dicts of a user's, pretrained ones, and pretrainings under way.

Nothing but tensors, numbers and text is ever unpickled.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.errors import BenchError
from harness.results.layout import TEMPORARY
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Setting,
    read_checkpoint,
    why_foreign,
    write_checkpoint,
)
from harness.training.rotation_pretraining import Pretrained
from harness.training.training_state import unpack_pretraining

FOLDER = "pretraining"


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name, also of one that lies below the key `state_dict`.

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
    """Return what `write_pretrained` left in a folder; None where it is missing or damaged."""
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
    """Write `<name>.pt`, then how the weights came about as `<name>.json`; the checkpoint goes.

    about: further JSON values, such as the configuration.
    """
    with _whole(folder, _place(folder, name, "pt")) as draft, draft.open("wb") as out:
        torch.save(dict(pretrained.weights), out)
    facts = {
        **about,
        "val_accuracy": pretrained.val_accuracy,
        "test_accuracy": pretrained.test_accuracy,
        "epochs": list(pretrained.rows),
    }
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    with _whole(folder, _place(folder, name, "json")) as draft:
        draft.write_bytes(text.encode())
    _place(folder, name, "checkpoint").unlink(missing_ok=True)


def write_pretraining_checkpoint(folder: Path, name: str, checkpoint: Checkpoint) -> None:
    """Keep the checkpoint of a pretraining under way, in place of an earlier one."""
    file = _place(folder, name, "checkpoint")
    with _whole(folder, file) as draft:
        write_checkpoint(draft, checkpoint)


def read_pretraining_checkpoint(folder: Path, name: str, here: Setting) -> Checkpoint | None:
    """Return the checkpoint of an interrupted pretraining; None without one.

    Args:
        folder: results/<benchmark>.
        name: The pretraining's id.
        here: What it must say to be gone on from.

    Raises:
        CheckpointError: It is of no use.
    """
    file = _place(folder, name, "checkpoint")
    if not file.exists():
        return None
    checkpoint = read_checkpoint(file)
    why = why_foreign(checkpoint.header, here)
    if why is not None:
        raise CheckpointError(why)
    unpack_pretraining(checkpoint)
    return checkpoint


def _place(folder: Path, name: str, kind: str) -> Path:
    return folder / FOLDER / f"{name}.{kind}"


@contextmanager
def _whole(folder: Path, file: Path) -> Iterator[Path]:
    """Gives a draft to write, which is moved into place: a file is whole or not there."""
    draft = folder / TEMPORARY / file.name
    for parent in (draft.parent, file.parent):
        parent.mkdir(parents=True, exist_ok=True)
    yield draft
    os.replace(draft, file)
