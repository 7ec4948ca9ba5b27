"""Prepared arrays: made once, whole or absent, whatever other processes do."""

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_prep.examples import Examples
from harness.data import cache
from harness.data.cache import cached_examples, read_cached, remove, write_cached


def _examples(n: int = 6) -> Examples:
    return Examples(
        inputs=np.arange(n * 4, dtype=np.float32).reshape(n, 4),
        targets=np.arange(n) % 2,
        example_ids=np.array([f"é-{index}" for index in range(n)], dtype=object),
        class_names=("no", "yes"),
        parts=np.array(["train"] * (n - 2) + ["validation", "test"]),
        input_scale=0.5,
    )


def _count(calls: list[int]) -> Callable[[], Examples]:
    def make() -> Examples:
        calls.append(1)
        return _examples()

    return make


def _same(one: Examples, other: Examples) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("inputs", "targets", "example_ids", "parts")
    )
    return arrays and (one.class_names, one.input_scale) == (other.class_names, other.input_scale)


def test_the_second_call_makes_nothing(tmp_path: Path) -> None:
    """All fields come back, absent ones stay absent."""
    calls: list[int] = []
    first, second = (cached_examples("key", _count(calls), tmp_path) for _ in range(2))
    assert len(calls) == 1
    assert _same(first, _examples())
    assert _same(second, _examples())
    assert second.groups is None


def test_arrays_are_plain_read_only_and_contiguous(tmp_path: Path) -> None:
    """Not numpy's memmap subclass, so that they can be shared as they are."""
    found = cached_examples("key", _examples, tmp_path)
    for array in (found.inputs, found.targets, found.example_ids):
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert not array.flags.writeable
    assert found.example_ids.dtype.kind == "U"


def test_another_key_is_another_entry(tmp_path: Path) -> None:
    """Options, data and code are all in the key."""
    calls: list[int] = []
    for key in ("one", "two", "one"):
        cached_examples(key, _count(calls), tmp_path)
    assert len(calls) == 2


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 0xFF
    file.write_bytes(bytes(content))


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _garbage(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 20)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "inside").write_text("")


def _pipe(file: Path) -> None:
    """Read as a file it would be waited for, for ever."""
    file.unlink()
    os.mkfifo(file)


def _link_to_nowhere(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


def _another_array(file: Path) -> None:
    """Whole, of another type and shape."""
    with file.open("wb") as handle:
        np.save(handle, np.zeros((3, 1), np.complex64))


DAMAGES = [
    *(_truncate, _flip, _empty, os.unlink),
    *(_garbage, _folder, _pipe, _link_to_nowhere, _another_array),
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["inputs.npy", "example_ids.npy", "meta.json"])
def test_damaged_entries_are_made_anew(
    tmp_path: Path, damage: Callable[[Path], None], name: str
) -> None:
    """Whatever happened to whichever file; the next call finds the mended entry."""
    calls: list[int] = []
    cached_examples("key", _count(calls), tmp_path)
    damage(next(tmp_path.glob(f"*/{name}")))
    for _ in range(2):
        assert _same(cached_examples("key", _count(calls), tmp_path), _examples())
    assert len(calls) == 2
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "null", "3", "[" * 100_000),
        *('{"no": "nay"}', '{"0.5": "5"}', '{"checksums": "sums"}', '{"key": "kez"}'),
    ],
)
def test_a_damaged_description_is_no_description(tmp_path: Path, text: str) -> None:
    """Other JSON, nested too deep, or with a name, a number or a key that was another."""
    calls: list[int] = []
    cached_examples("key", _count(calls), tmp_path)
    (meta,) = tmp_path.glob("*/meta.json")
    if text.startswith("{"):
        ((old, new),) = json.loads(text).items()
        text = meta.read_text().replace(old, new, 1)
    meta.write_text(text)
    assert _same(cached_examples("key", _count(calls), tmp_path), _examples())
    assert len(calls) == 2


@pytest.mark.parametrize("damage", [_folder, _pipe, _link_to_nowhere, _garbage])
def test_whatever_lies_in_the_place_of_an_entry_goes(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """The next call makes the entry, the one after finds it, and nothing is left beside it."""
    calls: list[int] = []
    cached_examples("key", _count(calls), tmp_path)
    (entry,) = tmp_path.iterdir()
    shutil.rmtree(entry)
    entry.write_text("")
    damage(entry)
    for _ in range(2):
        assert _same(cached_examples("key", _count(calls), tmp_path), _examples())
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == [entry]


def test_a_failing_make_leaves_nothing(tmp_path: Path) -> None:
    """The error passes through."""

    def fail() -> Examples:
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        cached_examples("key", fail, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_stored_the_examples_come_all_the_same(tmp_path: Path) -> None:
    """A file stands in the place of the folder."""
    (tmp_path / "blocked").write_text("")
    assert _same(cached_examples("key", _examples, tmp_path / "blocked"), _examples())


def test_leftovers_of_killed_processes_go_after_a_day(tmp_path: Path) -> None:
    """A fresh one may belong to a process that is still at work."""
    old, fresh = tmp_path / ".tmp-1-old", tmp_path / ".tmp-2-fresh"
    for folder in (old, fresh):
        folder.mkdir()
    os.utime(old, (time.time() - cache.ABANDONED_S - 60,) * 2)
    cached_examples("key", _examples, tmp_path)
    assert not old.exists()
    assert fresh.exists()


def _prepare_slowly(folder: str, barrier: "multiprocessing.synchronize.Barrier") -> None:
    def make() -> Examples:
        barrier.wait(30)  # both are making before either stores
        return _examples()

    found = cached_examples("key", make, Path(folder))
    assert _same(found, _examples())


def test_two_processes_at_once_both_finish(tmp_path: Path) -> None:
    """Both make, one entry is kept, nothing temporary is left, and a third finds it."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    workers = [
        context.Process(target=_prepare_slowly, args=(str(tmp_path), barrier)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 1
    calls: list[int] = []
    cached_examples("key", _count(calls), tmp_path)
    assert calls == []


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """In a folder that is made for it; nothing else stays there."""
    file = tmp_path / "new" / "some.json"
    for value in ({"a": 1}, [2]):
        write_cached(file, value)
        assert read_cached(file) == value
    assert list(file.parent.iterdir()) == [file]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, a link to nowhere, a device without an end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(OSError):
            read_cached(path)


def test_what_is_no_json_is_a_value_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Python's own answer would be another one, and where it is too large to read."""
    file = tmp_path / "some.json"
    for text in (b"{", b"\\xff", b"[" * 100_000):
        file.write_bytes(text)
        with pytest.raises(ValueError):
            read_cached(file)
    monkeypatch.setattr(cache, "MOST_BYTES", 4)
    file.write_text("[1, 2]")
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        read_cached(file)


def test_anything_is_replaced(tmp_path: Path) -> None:
    """A folder with something in it, a pipe, a link; what the link pointed to stays."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("")
    os.mkfifo(tmp_path / "pipe")
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "link").symlink_to(other)
    for name in ("folder", "pipe", "link"):
        write_cached(tmp_path / name, 1)
        assert read_cached(tmp_path / name) == 1
        assert not (tmp_path / name).is_symlink()
    assert other.read_text() == "kept"


def test_a_link_to_a_folder_is_removed_without_it(tmp_path: Path) -> None:
    """What is missing is no error."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("link", "nothing"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
