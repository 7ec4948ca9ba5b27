"""A checkpoint as it is sent and kept: bytes, and what is known of them. Needs no torch."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

ANY = "loop or vectorized"  # execution: a trial goes on as it began


class CheckpointError(Exception):
    """A checkpoint that nothing can go on from; the text says why."""


@dataclass(frozen=True)
class Setting:
    """What must be equal where a trial goes on; the trial's id stands for all that decides numbers.

    execution: of the folds; ANY here goes on with either. device: cpu or cuda. diagnostics: as in
    the file. torch: its major version.
    """

    trial_id: str
    repeats: tuple[int, ...]
    execution: str
    device: str
    diagnostics: str
    torch: str
    format: int


@dataclass(frozen=True)
class About:
    """What is known of a checkpoint without reading its tensors.

    epoch: the last one that ended, of `epochs`. attempt: which one made it, over all runs.
    unkept: in words, what the models hold that is not in it; nothing goes on without that.
    """

    setting: Setting
    epoch: int
    epochs: int
    attempt: int
    unkept: str = ""


@dataclass(frozen=True, eq=False)
class Packed:
    """A checkpoint to be sent or kept. payload: bytes (n,), not copied where that can be helped."""

    about: About
    payload: NDArray[np.uint8]
    crc32: int


def header(packed: Packed) -> bytes:
    """One line of JSON that stands before the payload in a file."""
    line = {**asdict(packed.about), "bytes": len(packed.payload), "crc32": packed.crc32}
    return json.dumps(line).encode() + b"\n"


def read_header(line: bytes) -> tuple[About, int, int]:
    """What is known of the checkpoint, its payload's bytes and their checksum.

    Raises CheckpointError for anything but what `header` made.
    """
    try:
        found = json.loads(line)
        setting = found["setting"]
        setting = Setting(**{**setting, "repeats": tuple(setting["repeats"])})
        epoch, epochs, attempt = (int(found[name]) for name in ("epoch", "epochs", "attempt"))
        about = About(setting, epoch, epochs, attempt, str(found["unkept"]))
        return about, int(found["bytes"]), int(found["crc32"])
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError("it is damaged") from error


def why_foreign(found: About, here: Setting) -> str | None:
    """In words, what keeps a trial from going on from there; None where nothing does."""
    for field in fields(Setting):
        before, now = getattr(found.setting, field.name), getattr(here, field.name)
        if before != now and not (now == ANY and before in ANY.split(" or ")):
            return f"{field.name} {_shown(before)} there, {_shown(now)} here"
    return f"{found.unkept} can't be kept" if found.unkept else None


def starts_anew(trial_id: str, why: str) -> str:
    """One line for a checkpoint that is of no use. why: as CheckpointError says it."""
    return f"trial {trial_id} starts from the beginning, its checkpoint is of no use: {why}"


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
