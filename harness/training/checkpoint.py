"""The one format of checkpoints: a line of JSON that says whose it is, then what torch saved.

Trials and pretrainings under way are kept in it alike; `harness.training.training_state` says what
their payloads hold. Who reads headers or passes checkpoints on needs no torch. Reading executes
nothing: a payload is tensors, numbers and text.
"""

import io
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.training.trial_rows import TrialJob

FORMAT = 3  # raised whenever an older layout can't be read
ANY_EXECUTION = "loop or vectorized"  # a trial goes on with whichever it began
_LONGEST_HEADER = 2**16  # bytes; a file that is no checkpoint may have one endless line


class CheckpointError(Exception):
    """A checkpoint that nothing can go on from; the text says why."""


@dataclass(frozen=True)
class Setting:
    """What must be equal where training goes on.

    Attributes:
        owner: Id of the trial or of the pretraining; stands for all that decides its numbers.
        repeats: That a trial trains; none of a pretraining.
        execution: Of the folds; `ANY_EXECUTION` where training goes on fits both.
        device: `cpu` or `cuda`.
        diagnostics: As in the benchmark file.
        torch: Its major version.
        format: `FORMAT` of the code that wrote it.
    """

    owner: str
    repeats: tuple[int, ...]
    execution: str
    device: str
    diagnostics: str
    torch: str
    format: int = FORMAT


@dataclass(frozen=True)
class Header:
    """What is known of a checkpoint without reading its tensors.

    Attributes:
        setting: Whose it is.
        epoch: The last one that ended, of `epochs`.
        epochs: Of the whole training.
        attempt: Which one of a trial made it, over all runs.
        unkept: In words, what the models hold that is not in it; nothing goes on without that.
    """

    setting: Setting
    epoch: int
    epochs: int
    attempt: int = 1
    unkept: str = ""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint to be sent or kept. payload: bytes (n,), not copied where that can be helped."""

    header: Header
    payload: NDArray[np.uint8]
    crc32: int


def setting_of(
    owner: str,
    *,
    device: str,
    repeats: tuple[int, ...] = (),
    execution: str = "loop",
    diagnostics: str = "none",
) -> Setting:
    """Return the setting of a training here and now. device: as torch names it."""
    return Setting(
        owner=owner,
        repeats=repeats,
        execution=execution,
        device=device.partition(":")[0],
        diagnostics=diagnostics,
        torch=version("torch").partition(".")[0],
    )


def trial_setting(job: TrialJob, execution: str | None = None) -> Setting:
    """Return what a checkpoint of this trial says, and must say to be gone on from.

    Args:
        job: The trial, with the device that it trains on.
        execution: Of its folds; None for whichever it began with, unless the benchmark file
            insists on the loop.
    """
    insists = job.config["training"].get("fold_execution") == "loop"
    return setting_of(
        job.trial_id,
        device=job.device,
        repeats=tuple(job.repeats),
        execution=execution or ("loop" if insists else ANY_EXECUTION),
        diagnostics=job.diagnostics,
    )


def why_foreign(header: Header, here: Setting) -> str | None:
    """Return in words what keeps a training from going on from there; None where nothing does."""
    for field in fields(Setting):
        there, now = getattr(header.setting, field.name), getattr(here, field.name)
        if there != now and not (now == ANY_EXECUTION and there in ANY_EXECUTION.split(" or ")):
            return f"{field.name} {_shown(there)} there, {_shown(now)} here"
    return f"{header.unkept} can't be kept" if header.unkept else None


def starts_anew(owner: str, why: str) -> str:
    """Return the line for a checkpoint that is of no use. why: as CheckpointError says it."""
    return f"{owner} starts from the beginning, its checkpoint is of no use: {why}"


def encode(header: Header, content: Mapping[str, Any]) -> Checkpoint:
    """Make a checkpoint; what happens to the content's tensors afterwards changes nothing."""
    import torch  # the process that writes checkpoints and light commands do without it

    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    payload = np.frombuffer(buffer.getbuffer(), np.uint8)
    return Checkpoint(header, payload, zlib.crc32(payload.data))


def decode(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the content, its tensors on the CPU.

    Raises:
        CheckpointError: It is damaged, or holds more than tensors, numbers and text.
    """
    import torch  # see `encode`

    if zlib.crc32(checkpoint.payload.data) != checkpoint.crc32:
        raise CheckpointError("it is damaged")
    payload = io.BytesIO(checkpoint.payload.data)
    try:
        return dict(torch.load(payload, map_location="cpu", weights_only=True))
    except Exception as error:  # torch names many kinds of damage
        raise CheckpointError(f"it can't be read: {type(error).__name__}") from error


def write_checkpoint(file: Path, checkpoint: Checkpoint) -> None:
    """Write the header's line, then the payload. Raises OSError."""
    with file.open("wb") as out:
        out.write(_header_line(checkpoint))
        out.write(checkpoint.payload.data)
        out.flush()
        os.fsync(out.fileno())


def read_checkpoint(file: Path) -> Checkpoint:
    """Return what `write_checkpoint` wrote. Raises CheckpointError."""
    try:
        with file.open("rb") as content:
            header, n_bytes, crc32 = _parse_header(content.readline(_LONGEST_HEADER))
            payload = np.fromfile(content, np.uint8)
    except OSError as error:
        raise CheckpointError(f"it can't be read: {error.strerror}") from error
    if len(payload) != n_bytes:
        raise CheckpointError("it is damaged")
    return Checkpoint(header, payload, crc32)


def read_header(file: Path) -> Header:
    """Return a file's header. Raises CheckpointError, also where the file is cut off."""
    try:
        with file.open("rb") as content:
            line = content.readline(_LONGEST_HEADER)
            header, n_bytes, _ = _parse_header(line)
            length = os.fstat(content.fileno()).st_size
    except OSError as error:
        raise CheckpointError(f"it can't be read: {error.strerror}") from error
    if length != len(line) + n_bytes:
        raise CheckpointError("it is damaged")
    return header


def _header_line(checkpoint: Checkpoint) -> bytes:
    sizes = {"bytes": len(checkpoint.payload), "crc32": checkpoint.crc32}
    return json.dumps({**asdict(checkpoint.header), **sizes}).encode() + b"\n"


def _parse_header(line: bytes) -> tuple[Header, int, int]:
    """The header, its payload's bytes and their checksum."""
    try:
        values = json.loads(line)
        setting = dict(values["setting"])
        written_as = int(setting["format"])
        if written_as != FORMAT:
            raise CheckpointError(f"format {written_as} there, {FORMAT} here")
        setting["repeats"] = tuple(setting["repeats"])
        epoch, epochs, attempt = (int(values[name]) for name in ("epoch", "epochs", "attempt"))
        header = Header(Setting(**setting), epoch, epochs, attempt, str(values["unkept"]))
        return header, int(values["bytes"]), int(values["crc32"])
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError("it is damaged") from error


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
