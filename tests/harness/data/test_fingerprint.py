"""Raw data is named by its contents, and read only when it may have changed."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.data import fingerprint
from harness.data.fingerprint import Stamp, data_fingerprint
from harness.errors import BenchError


@pytest.fixture(autouse=True)
def _an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a test are old when they are read: no program can set a file's ctime back."""
    later = SimpleNamespace(time=lambda: time.time() + 3600)
    monkeypatch.setattr(fingerprint, "time", later)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two files whose time lies well in the past."""
    folder = tmp_path / "raw"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.txt", "inner/b.txt"):
        (folder / name).write_text(name)
        os.utime(folder / name, (1_000_000, 1_000_000))
    return folder


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """Where hashes are remembered."""
    return tmp_path / "cache" / "fingerprints.json"


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def test_the_fingerprint_is_a_known_hash(root: Path, memory: Path) -> None:
    """sha256 over `path NUL content-sha256 newline` of each file, sorted."""
    # printf 'a.txt\0%s\ninner/b.txt\0%s\n' $(printf a.txt | sha256sum | cut -c-64) ...
    assert data_fingerprint(_files(root), root=root, memory=memory) == "2309fa8690497945"


def test_order_and_place_do_not_matter(root: Path, memory: Path, tmp_path: Path) -> None:
    """The same files below another folder, listed backwards."""
    before = data_fingerprint(_files(root), root=root, memory=memory)
    moved = tmp_path / "moved"
    root.rename(moved)
    assert data_fingerprint(reversed(_files(moved)), root=moved, memory=memory) == before


def test_names_and_contents_matter(root: Path, memory: Path) -> None:
    """A renamed file and a changed byte each give another fingerprint."""
    found = [data_fingerprint(_files(root), root=root, memory=memory)]
    (root / "a.txt").rename(root / "c.txt")
    found.append(data_fingerprint(_files(root), root=root, memory=memory))
    (root / "c.txt").write_text("A.txt")
    found.append(data_fingerprint(_files(root), root=root, memory=memory))
    assert len(set(found)) == 3


def test_a_second_call_reads_no_file(
    root: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file system says is enough."""
    before = data_fingerprint(_files(root), root=root, memory=memory)
    monkeypatch.setattr(fingerprint.hashlib, "file_digest", None)
    assert data_fingerprint(_files(root), root=root, memory=memory) == before


@pytest.mark.parametrize(("text", "time"), [("a.txx", 1_000_001), ("a.text", 1_000_000)])
def test_another_size_or_time_is_read_again(root: Path, memory: Path, text: str, time: int) -> None:
    """Each alone gives the change away."""
    before = data_fingerprint(_files(root), root=root, memory=memory)
    (root / "a.txt").write_text(text)
    os.utime(root / "a.txt", (time, time))
    assert data_fingerprint(_files(root), root=root, memory=memory) != before


def test_files_of_equal_size_and_time_that_change_places_are_read_again(
    tmp_path: Path, memory: Path
) -> None:
    """Two corrected labels: `high/0` was low, `low/0` was high."""
    for name in ("high", "low"):
        (tmp_path / name).write_text(name.ljust(4))
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    files = [tmp_path / "high", tmp_path / "low"]
    before = data_fingerprint(files, root=tmp_path, memory=memory)
    (tmp_path / "high").rename(tmp_path / "held")
    (tmp_path / "low").rename(tmp_path / "high")
    (tmp_path / "held").rename(tmp_path / "low")
    assert data_fingerprint(files, root=tmp_path, memory=memory) != before


def test_contents_written_in_place_with_the_old_time_are_read_again(
    root: Path, memory: Path
) -> None:
    """Equal path, inode, size and mtime; the kernel's ctime gives the change away."""
    before = data_fingerprint(_files(root), root=root, memory=memory)
    (root / "a.txt").write_text("A.TXT")
    os.utime(root / "a.txt", (1_000_000, 1_000_000))
    assert data_fingerprint(_files(root), root=root, memory=memory) != before


def test_a_link_that_points_elsewhere_is_read_again(tmp_path: Path, memory: Path) -> None:
    """The stamp is that of the target."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    link = tmp_path / "link"
    link.symlink_to("one")
    before = data_fingerprint([link], root=tmp_path, memory=memory)
    link.unlink()
    link.symlink_to("two")
    assert data_fingerprint([link], root=tmp_path, memory=memory) != before


def test_anew_reads_every_file_whatever_is_remembered(root: Path, memory: Path) -> None:
    """A memory that is wrong is put right by it."""
    before = data_fingerprint(_files(root), root=root, memory=memory)
    right = memory.read_text()
    stored = json.loads(right)
    stored[str(root / "a.txt")][1] = "0" * 64
    memory.write_text(json.dumps(stored))
    assert data_fingerprint(_files(root), root=root, memory=memory) != before
    assert data_fingerprint(_files(root), root=root, memory=memory, anew=True) == before
    assert json.loads(memory.read_text()) == json.loads(right)


SECOND_NS = 10**9


@pytest.mark.parametrize(
    ("changes", "proves"),
    [
        ({}, True),
        ({"changed_ns": 1_001 * SECOND_NS}, False),  # a second before it was read
        ({"modified_ns": 1_001 * SECOND_NS}, False),
        ({"modified_ns": 2_000 * SECOND_NS}, False),  # ahead of the clock
        ({"inode": 0}, False),  # a network file system without inodes
        ({"changed_ns": 0}, False),
    ],
)
def test_a_stamp_proves_contents_only_without_doubt(changes: dict[str, int], proves: bool) -> None:
    """Read at second 1,002; a file system's tick lasts up to two seconds."""
    stamp = Stamp(5, 990 * SECOND_NS, 999 * SECOND_NS, inode=7, device=1)
    assert stamp._replace(**changes).proves_contents(read_at=1_002.0) is proves


def test_a_file_changed_just_now_is_not_remembered(
    root: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change within the clock's tick, of equal size, would otherwise go unseen."""
    monkeypatch.setattr(fingerprint, "time", time)
    data_fingerprint(_files(root), root=root, memory=memory)
    assert not memory.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"a": 1}', '{"a": [1, 2, "00"]}', "\x00"])
def test_a_damaged_memory_is_forgotten(root: Path, memory: Path, text: str) -> None:
    """The answer is the same, and the file is whole again."""
    before = data_fingerprint(_files(root), root=root, memory=memory)
    whole = memory.read_text()
    memory.write_text(text)
    assert data_fingerprint(_files(root), root=root, memory=memory) == before
    assert memory.read_text() == whole


def test_a_memory_that_cannot_be_kept_is_no_error(root: Path, tmp_path: Path) -> None:
    """A file stands where the cache folder should be."""
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    for _ in range(2):
        assert data_fingerprint(_files(root), root=root, memory=blocked / "memory.json")
    assert blocked.read_text() == ""


def test_memories_of_different_datasets_are_joined(root: Path, memory: Path) -> None:
    """What one call learned stays when another one writes."""
    for file in _files(root):
        data_fingerprint([file], root=root, memory=memory)
    assert all(str(file) in memory.read_text() for file in _files(root))
    assert [path.name for path in memory.parent.iterdir()] == [memory.name]


def test_writers_at_once_leave_a_whole_memory(root: Path, memory: Path) -> None:
    """Sixteen calls side by side agree, and the file can be read by the next."""
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(data_fingerprint, _files(root), root=root, memory=memory) for _ in range(16)
        ]
        assert len({call.result() for call in calls}) == 1
    assert set(json.loads(memory.read_text())) == {str(file) for file in _files(root)}
    assert [path.name for path in memory.parent.iterdir()] == [memory.name]


def test_a_file_outside_the_root_counts_by_its_name(tmp_path: Path, memory: Path) -> None:
    """Data installed with a library lies elsewhere on every machine."""
    found = set()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "digits.csv"
        file.write_text("1,2")
        found.add(data_fingerprint([file], root=tmp_path / "root", memory=memory))
    assert len(found) == 1


def test_a_missing_file_is_named(root: Path, memory: Path) -> None:
    """No traceback for a file that went away."""
    with pytest.raises(BenchError, match=r"gone\.txt: raw data can't be read"):
        data_fingerprint([root / "gone.txt"], root=root, memory=memory)


def test_files_elsewhere_count_by_their_place_below_their_common_folder(
    tmp_path: Path, root: Path, memory: Path
) -> None:
    """Two files of one name that change places change what they are examples of."""
    pets = tmp_path / "pets"
    for name, text in (("cat/1.png", "a"), ("dog/1.png", "b")):
        (pets / name).parent.mkdir(parents=True)
        (pets / name).write_text(text)

    def found(root: Path) -> str:
        return data_fingerprint(_files(pets), root=root, memory=memory)

    before = found(root)
    assert found(tmp_path) == before, "below the data folder they have the same names"
    (pets / "cat/1.png").write_text("b")
    (pets / "dog/1.png").write_text("a")
    assert found(root) != before


@pytest.mark.parametrize("lies_there", [Path.mkdir, os.mkfifo, lambda file: file.symlink_to("no")])
def test_a_memory_that_is_no_file_is_replaced(
    root: Path, memory: Path, lies_there: Callable[[Path], object]
) -> None:
    """A folder, a pipe, a link to nowhere: read anew once, then remembered again."""
    before = data_fingerprint(_files(root), root=root, memory=memory)
    memory.unlink()
    lies_there(memory)
    assert data_fingerprint(_files(root), root=root, memory=memory) == before
    assert len(json.loads(memory.read_text())) == 2
    assert not memory.is_symlink()
