"""ESC-50 from its publisher: downloaded once, mended, never taken for what it isn't."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data_prep import esc50
from data_prep.examples import DataError

MakeTree = Callable[[Path], Path]
FIRST = "1-000-A-0.wav"
SECOND = "1-005-A-0.wav"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Silence."""


@pytest.fixture
def publisher(
    tmp_path: Path, make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[int]]:
    """A local publisher of the stand-in archive; clips are of 441 samples to keep it small."""
    monkeypatch.setattr(esc50, "CLIP_SAMPLES", 441)
    site = tmp_path / "site"
    tree = make_tree(site)
    content = (tree / "meta" / "esc50.csv").read_bytes()
    monkeypatch.setattr(esc50, "TABLE_SHA256", hashlib.sha256(content).hexdigest())
    shutil.make_archive(str(site / "master"), "zip", root_dir=site, base_dir=tree.name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    monkeypatch.setattr(esc50, "ARCHIVE_URL", f"http://127.0.0.1:{server.server_port}/master.zip")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield []
    server.shutdown()
    server.server_close()
    thread.join()


def test_prepare_downloads_once(tmp_path: Path, publisher: list[int]) -> None:
    """The second call asks for nothing, and only the published folder is left behind."""
    root = tmp_path / "data"
    for _ in range(2):
        esc50.prepare(root, subset="esc10", progress=lambda done, total: publisher.append(done))
        calls = len(publisher)
    assert calls == len(set(publisher)) > 0
    assert [path.name for path in root.iterdir()] == ["ESC-50-master"]
    assert len(esc50.files(root, subset="esc10")) == 401


def test_prepare_mends_a_folder_and_keeps_what_is_right(
    tmp_path: Path, publisher: list[int]
) -> None:
    """A missing and a damaged clip are put in place; a whole one and a foreign file stay."""
    root = tmp_path / "data"
    esc50.prepare(root, subset="esc10")
    audio = root / "ESC-50-master" / "audio"
    (audio / FIRST).unlink()
    (audio / SECOND).write_bytes(b"damaged")
    (audio / "notes.txt").write_text("mine")
    kept = audio / "2-001-A-0.wav"
    before = kept.stat()
    esc50.prepare(root, subset="esc10")
    assert len(esc50.files(root, subset="esc10")) == 401
    assert (audio / SECOND).stat().st_size > 800
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (audio / "notes.txt").read_text() == "mine"


def test_prepare_never_overwrites_an_edited_table(tmp_path: Path, publisher: list[int]) -> None:
    """A table that isn't the published one is the user's: both sums are named."""
    root = tmp_path / "data"
    esc50.prepare(root, subset="esc10")
    table = root / "ESC-50-master" / "meta" / "esc50.csv"
    table.write_text(table.read_text() + "\n")
    with pytest.raises(DataError, match=f"published is {esc50.TABLE_SHA256}"):
        esc50.prepare(root, subset="esc10")


def test_prepare_refuses_an_archive_with_another_table(
    tmp_path: Path, publisher: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing reaches the data folder when the download isn't what was published."""
    monkeypatch.setattr(esc50, "TABLE_SHA256", "0" * 64)
    root = tmp_path / "data"
    with pytest.raises(DataError, match="sha256"):
        esc50.prepare(root, subset="esc10")
    assert list(root.iterdir()) == []


def test_prepare_refuses_an_archive_without_all_clips(
    tmp_path: Path, publisher: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clips of another length are named before anything is moved into place."""
    monkeypatch.setattr(esc50, "CLIP_SAMPLES", 442)
    root = tmp_path / "data"
    with pytest.raises(DataError, match="400 bad clips"):
        esc50.prepare(root, subset="esc10")
    assert list(root.iterdir()) == []
