"""The format of checkpoints: what a header says, and that damage, code and others are refused."""

import io
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    decode,
    encode,
    read_checkpoint,
    read_header,
    trial_setting,
    why_foreign,
    write_checkpoint,
)
from tests.builders import make_trial_job
from tests.checkpoints import SETTING

HEADER = Header(SETTING, epoch=2, epochs=3, attempt=4)
CHECKPOINT = encode(HEADER, {"weight": torch.arange(100.0)})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint on disk."""
    path = tmp_path / "a.checkpoint"
    write_checkpoint(path, CHECKPOINT)
    return path


def test_the_header_is_one_line_read_without_the_tensors(file: Path) -> None:
    """Equal to what was written, as is all of the file."""
    whole = read_checkpoint(file)

    assert json.loads(file.read_bytes().partition(b"\n")[0])["epoch"] == 2
    assert read_header(file) == whole.header == HEADER
    assert torch.equal(decode(whole)["weight"], torch.arange(100.0))


@pytest.mark.parametrize("content", [b"", b"{}\n", b"\xff\xfe\n", b'{"setting": 3}\n', b"[]\n"])
def test_what_has_no_header_is_damaged(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    for read in (read_header, read_checkpoint):
        with pytest.raises(CheckpointError, match="damaged"):
            read(file)


@pytest.mark.parametrize("cut", [0, 20, -1])
def test_a_file_cut_off_is_damaged(file: Path, cut: int) -> None:
    """Seen without reading its tensors."""
    file.write_bytes(file.read_bytes()[:cut])
    for read in (read_header, read_checkpoint):
        with pytest.raises(CheckpointError, match="damaged"):
            read(file)


def test_a_file_that_can_not_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Is a directory"):
        read_header(tmp_path)


def test_another_format_is_foreign(file: Path) -> None:
    """Whatever else its header holds."""
    header, _, payload = file.read_bytes().partition(b"\n")
    other = json.loads(header)
    other["setting"] = {"trial_id": "a", "format": 2}
    file.write_bytes(json.dumps(other).encode() + b"\n" + payload)

    with pytest.raises(CheckpointError, match=r"^format 2 there, 3 here$"):
        read_header(file)


@pytest.mark.parametrize("place", [0, 300, -1])
def test_a_changed_byte_is_damage(place: int) -> None:
    """Wherever it is."""
    payload = CHECKPOINT.payload.copy()
    payload[place] ^= 1
    with pytest.raises(CheckpointError, match="damaged"):
        decode(replace(CHECKPOINT, payload=payload))


def test_what_is_no_checkpoint_can_not_be_read(tmp_path: Path) -> None:
    """Though its checksum is right: nothing of it is executed."""
    mark = tmp_path / "executed"

    class Malicious:
        def __reduce__(self) -> Any:
            return (type(mark).touch, (mark,))

    buffer = io.BytesIO()
    torch.save({"results": [], "layers": [], "folds": Malicious()}, buffer)
    payload = np.frombuffer(buffer.getvalue(), np.uint8)
    with pytest.raises(CheckpointError, match="can't be read"):
        decode(Checkpoint(HEADER, payload, zlib.crc32(payload.data)))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"repeats": (1, 2)}, "repeats 1 there, 1, 2 here"),
        ({"execution": "vectorized"}, "execution loop there, vectorized here"),
        ({"execution": "loop or vectorized"}, None),
        ({"device": "cuda"}, "device cpu there, cuda here"),
        ({"torch": "9"}, "torch 2 there, 9 here"),
    ],
)
def test_a_foreign_checkpoint_says_what_differs(changes: dict[str, Any], words: str | None) -> None:
    """Its trial starts from the beginning."""
    assert why_foreign(HEADER, replace(SETTING, **changes)) == words


def test_what_can_not_be_kept_is_foreign_everywhere() -> None:
    header = replace(HEADER, unkept="`cache` of Net")
    assert why_foreign(header, SETTING) == "`cache` of Net can't be kept"


def test_a_trial_goes_on_as_it_began_unless_its_file_insists_on_the_loop() -> None:
    """Which device of a kind it is makes no difference."""
    job = make_trial_job(device="cuda:1")
    insists = make_trial_job(training={"epochs": 2, "fold_execution": "loop"})

    assert trial_setting(job).execution == "loop or vectorized"
    assert trial_setting(job, "vectorized").execution == "vectorized"
    assert trial_setting(insists).execution == "loop"
    assert trial_setting(job).device == "cuda"
