"""Files of checkpoints: written behind the caller's back, whole or not at all."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.training.checkpoint_format import CheckpointError, Packed
from harness.tune.recovery import checkpoint_store
from harness.tune.recovery.checkpoint_store import (
    CheckpointStore,
    read_about,
    read_packed,
    write_packed,
)
from tests.checkpoints import packed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CheckpointStore]:
    """Of one run of a benchmark."""
    made = CheckpointStore(tmp_path, tmp_path / "runs" / "r")
    yield made
    made.close()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "runs" / "r" / "checkpoints").glob("*"))


def wait_for(happened: Callable[[], Any]) -> None:
    until_s = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_what_was_put_is_got_and_lies_on_disk(tmp_path: Path, store: CheckpointStore) -> None:
    """At once from memory, then from its file."""
    assert store.get("a") is None
    assert store.put("a", packed("a", epoch=3)) is None
    at_once = store.get("a")
    wait_for(lambda: files(tmp_path))
    store.close()
    later = store.get("a")

    assert at_once is not None and later is not None
    assert at_once.about == later.about == packed("a", epoch=3).about
    assert np.array_equal(at_once.payload, later.payload)


def test_a_trial_has_one_checkpoint_the_newest(tmp_path: Path, store: CheckpointStore) -> None:
    for epoch in (1, 2, 3):
        store.put("a", packed("a", epoch=epoch))
    store.close()

    assert files(tmp_path) == ["a.checkpoint"]
    assert read_about(tmp_path / "runs" / "r" / "checkpoints" / "a.checkpoint").epoch == 3


def test_a_trial_that_is_over_has_none_and_gets_none(
    tmp_path: Path, store: CheckpointStore
) -> None:
    """Also not one that was on its way; the empty folder goes too."""
    store.put("a", packed("a"))
    wait_for(lambda: files(tmp_path))
    store.end("a")
    store.put("a", packed("a", epoch=9))
    store.close()

    assert store.get("a") is None
    assert not (tmp_path / "runs" / "r" / "checkpoints").exists()


def test_a_full_disk_is_told_and_costs_only_the_checkpoint(
    tmp_path: Path, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former one stays whole; with room again the next one is kept."""

    def full(file: Path, content: Packed) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    store.put("a", packed("a", epoch=1))
    wait_for(lambda: files(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_store, "write_packed", full)
        store.put("a", packed("a", epoch=2))
        wait_for(lambda: store.put("b", packed("b")))
    told = store.put("a", packed("a", epoch=3))
    store.close()

    assert told == "No space left on device"
    assert not list((tmp_path / ".tmp").glob("*"))
    assert files(tmp_path)[0] == "a.checkpoint"
    assert read_about(tmp_path / "runs" / "r" / "checkpoints" / "a.checkpoint").epoch == 3


def test_writing_does_not_keep_the_caller(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those that wait for a slow disk, the newest of a trial is written."""
    epochs = []
    disk = threading.Event()

    def slow(file: Path, content: Packed) -> None:
        epochs.append(content.about.epoch)
        disk.wait()
        write_packed(file, content)

    monkeypatch.setattr(checkpoint_store, "write_packed", slow)
    store.put("a", packed("a", epoch=1))
    wait_for(lambda: epochs)
    for epoch in range(2, 50):
        store.put("a", packed("a", epoch=epoch))
    disk.set()
    store.close()

    assert epochs == [1, 49]


@pytest.mark.parametrize("cut", [0, 20, -1])
def test_a_file_cut_off_is_damaged(tmp_path: Path, cut: int) -> None:
    """Seen without reading its tensors."""
    file = tmp_path / "a.checkpoint"
    write_packed(file, packed("a"))
    file.write_bytes(file.read_bytes()[:cut])

    for read in (read_about, read_packed):
        with pytest.raises(CheckpointError, match="damaged"):
            read(file)


def test_a_file_that_can_not_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Is a directory"):
        read_about(tmp_path)
