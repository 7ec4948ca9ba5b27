"""One writer per results folder, and a dead one blocks nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.results import lock
from harness.results.lock import hold

HOLDER = """
import sys, time
from pathlib import Path
from harness.results.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(folder):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_folder_is_made_held_and_given_back(folder):
    for _ in range(2):
        with hold(folder):
            (folder / "trials").mkdir(exist_ok=True)
    assert (folder / ".lock").exists()


def test_a_folder_in_which_nothing_was_written_is_removed_with_those_made_for_it(folder):
    with pytest.raises(BenchError, match="bad data"), hold(folder):
        raise BenchError("bad data")
    assert not folder.parent.exists()


def test_a_folder_that_was_there_stays(folder):
    folder.mkdir(parents=True)
    with hold(folder):
        pass
    assert list(folder.iterdir()) == []


def test_a_lock_that_was_removed_while_it_was_waited_for_is_taken_anew(folder, monkeypatch):
    """Else two runs would hold the folder: one by a file that nobody else can see."""
    folder.mkdir(parents=True)
    real, opened = lock._opened, []

    def open_then_lose(path):
        opened.append(real(path))
        if len(opened) == 1:
            (path / ".lock").unlink()
        return opened[-1]

    monkeypatch.setattr(lock, "_opened", open_then_lose)
    with hold(folder):
        assert len(opened) == 2
        assert json.loads((folder / ".lock").read_text())["pid"] == os.getpid()


def test_a_second_run_is_told_who_holds_the_folder(folder, holder):
    with (
        pytest.raises(BenchError, match=rf"is held by process {holder.pid} on .+ since 20"),
        hold(folder),
    ):
        pass


def test_a_holder_that_was_killed_does_not_block(folder, holder):
    holder.kill()
    holder.wait()
    with hold(folder):
        pass


def test_a_shorter_signature_replaces_a_longer_one(folder):
    folder.mkdir(parents=True)
    (folder / ".lock").write_text("x" * 500)
    with hold(folder):
        assert json.loads((folder / ".lock").read_text())["pid"] == os.getpid()


def test_a_place_that_cannot_be_written_is_said(folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("a file")
    with pytest.raises(BenchError, match=r"can't be written: .*--results DIR"), hold(folder):
        pass


def test_a_refused_permission_is_said(folder, monkeypatch):
    def refuse(self, *_arguments, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(BenchError, match="Permission denied"), hold(folder):
        pass


def test_what_would_be_refused_later_is_refused_early_and_nothing_is_made(folder, holder):
    with pytest.raises(BenchError, match="is held by"):
        lock.refuse_early(folder)
    holder.kill()
    holder.wait()
    lock.refuse_early(folder)
    lock.refuse_early(folder.parent / "another")
    assert not (folder.parent / "another").exists()


def test_a_place_within_a_file_is_refused_early(tmp_path):
    """Not as a lack of rights, which it is not."""
    (tmp_path / "notes").write_text("x")
    with pytest.raises(BenchError, match="notes is a file; choose another place"):
        lock.refuse_early(tmp_path / "notes" / "digits")


def test_a_place_that_may_not_be_written_is_refused_early(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: place != folder.parent.parent)
    with pytest.raises(BenchError, match="can't be written: Permission denied"):
        lock.refuse_early(folder)
