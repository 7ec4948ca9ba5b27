"""What lies in the place of a cache file is read only where it is one, and always replaced."""

import os
from pathlib import Path

import pytest

from harness.data import cache_files
from harness.data.cache_files import read_cached, remove, write_cached


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
    monkeypatch.setattr(cache_files, "MOST_BYTES", 4)
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
