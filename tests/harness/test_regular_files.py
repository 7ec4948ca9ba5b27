"""Only regular files are opened, and nothing waits for another kind."""

import os
import socket
from pathlib import Path

import pytest

from harness.regular_files import NotRegular, open_regular


def content(path: Path, flags: int = os.O_RDONLY) -> bytes:
    with os.fdopen(open_regular(path, flags), "rb") as file:
        return file.read()


def test_a_regular_file_is_opened_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"rows")
    (tmp_path / "link").symlink_to("file")

    assert content(tmp_path / "file", os.O_NOFOLLOW) == content(tmp_path / "link") == b"rows"


def test_a_link_is_no_regular_file_where_none_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"rows")
    (tmp_path / "link").symlink_to("file")

    with pytest.raises(NotRegular, match="link is no regular file"):
        open_regular(tmp_path / "link", os.O_NOFOLLOW)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY])
def test_a_pipe_is_not_waited_for(tmp_path: Path, flags: int) -> None:
    """Neither for one who writes into it nor for one who reads."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegular):
        open_regular(tmp_path / "pipe", flags)


def test_folders_sockets_and_devices_are_no_regular_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may have 100 characters
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for path in (tmp_path, tmp_path / "socket", Path("/dev/zero")):
            with pytest.raises(NotRegular):
                open_regular(path)


def test_what_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    """Also where a link leads there."""
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("nothing", "link"):
        with pytest.raises(FileNotFoundError):
            open_regular(tmp_path / name)


def test_a_descriptor_of_another_kind_is_closed(tmp_path: Path) -> None:
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(NotRegular):
            open_regular(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == open_before
