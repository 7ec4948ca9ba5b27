"""Downloads appear whole or not at all; archives can't write outside their folder."""

import hashlib
import io
import stat
import struct
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data_prep.download import download, unpack
from data_prep.examples import DataError

BODY = b"sound " * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/silent":
            time.sleep(0.5)  # and hangs up without a word
            return
        self.send_response(200)
        if self.path.startswith("/announced/"):
            self.send_header("Content-Length", self.path.removeprefix("/announced/"))
        elif self.path not in ("/unannounced", "/endless", "/drips"):
            self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        with suppress(OSError):  # whoever has enough hangs up
            if self.path == "/endless":
                while True:
                    self.wfile.write(BODY)
            for byte in BODY if self.path == "/drips" else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
            self.wfile.write(BODY[:100] if self.path == "/short" else BODY)

    def log_message(self, *args: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A publisher on this machine that counts what it is asked for."""
    served = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    served.requests = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


def _url(server: ThreadingHTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def test_a_download_is_the_servers_file(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """Bytes and both sums agree, and nothing temporary is left."""
    target = tmp_path / "new" / "file.zip"
    assert download(_url(server, "/file"), target, sha256=SHA256, md5=MD5) == target
    assert target.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target]


def test_progress_counts_bytes_up_to_the_announced_total(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """The last call says that all bytes have come."""
    calls: list[tuple[int, int | None]] = []
    download(_url(server, "/file"), tmp_path / "f", progress=lambda *call: calls.append(call))
    assert calls[-1] == (len(BODY), len(BODY))


def test_a_file_of_unannounced_length_is_taken(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """Without a Content-Length the total is unknown, not zero."""
    calls: list[tuple[int, int | None]] = []
    target = tmp_path / "f"
    download(_url(server, "/unannounced"), target, progress=lambda *call: calls.append(call))
    assert target.read_bytes() == BODY
    assert calls[-1] == (len(BODY), None)


def test_a_file_that_is_there_is_not_fetched_again(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """A target with the right sum costs no request."""
    target = tmp_path / "f"
    for _ in range(2):
        download(_url(server, "/file"), target, sha256=SHA256)
    assert server.requests == ["/file"]  # type: ignore[attr-defined]


def test_a_wrong_sum_names_both_and_leaves_nothing(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """The found and the published checksum are in the message."""
    wrong = "0" * 64
    with pytest.raises(DataError) as caught:
        download(_url(server, "/file"), tmp_path / "f", sha256=wrong)
    assert SHA256 in str(caught.value)
    assert wrong in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_short_body_is_refused(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """A connection that ends early says how far it came."""
    with pytest.raises(DataError, match="100 of 6,000 bytes"):
        download(_url(server, "/short"), tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("announced", "words"),
    [
        ("many", "announces 'many' bytes"),
        ("-1", "announces '-1' bytes"),
        ("9" * 5000, "announces '9999"),
        ("7000", "7,000 bytes announced, more than 6,500; refused"),
        ("6400", "6,000 of 6,400 bytes"),
    ],
)
def test_a_wrong_length_is_refused(
    server: ThreadingHTTPServer, tmp_path: Path, announced: str, words: str
) -> None:
    """No number, one below zero, one without an end, more than is wanted, more than comes."""
    with pytest.raises(DataError, match=words):
        download(_url(server, f"/announced/{announced}"), tmp_path / "f", max_bytes=6500)
    assert list(tmp_path.iterdir()) == []


def test_an_endless_body_is_given_up(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """At the most bytes that are wanted; what came is not kept."""
    with pytest.raises(DataError, match="sends more than 100,000 bytes; refused"):
        download(_url(server, "/endless"), tmp_path / "f", max_bytes=100_000)
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_drips_is_given_up(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty bytes a second, each within the timeout of the socket."""
    monkeypatch.setattr("data_prep.download.SLOW_S", 0.2)
    with pytest.raises(DataError, match=r"too slow \(\d+ bytes in 0 s\); try again later"):
        download(_url(server, "/drips"), tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_slow_download_that_moves_is_taken(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pace is asked for anew after each while."""
    monkeypatch.setattr("data_prep.download.SLOW_S", 0.05)
    monkeypatch.setattr("data_prep.download.SLOWEST_BYTES_PER_S", 10)
    monkeypatch.setattr("tests.data_prep.test_download.BODY", BODY[:20])
    assert download(_url(server, "/drips"), tmp_path / "f").stat().st_size == 40


def test_a_server_that_does_not_answer_is_given_up(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers that drip in count as no answer."""
    monkeypatch.setattr("data_prep.download.TIMEOUT_S", 0.1)
    with pytest.raises(DataError, match=r"no answer within 0\.1 s|timed out"):
        download(_url(server, "/silent"), tmp_path / "f")


def test_a_missing_file_gives_the_servers_answer(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """HTTP errors keep their number."""
    with pytest.raises(DataError, match="404"):
        download(_url(server, "/missing"), tmp_path / "f")


def test_no_server_is_said_so(tmp_path: Path) -> None:
    """A refused connection asks for the network."""
    with pytest.raises(DataError, match="can't be reached"):
        download("http://127.0.0.1:1/file", tmp_path / "f")


def test_only_web_addresses_are_fetched(tmp_path: Path) -> None:
    """A file: address would read this machine's files."""
    with pytest.raises(DataError, match="http"):
        download("file:///etc/hostname", tmp_path / "f")


def _zip(file: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file


def _tar(file: Path, *members: tarfile.TarInfo, mode: str = "w") -> Path:
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return file


def _info(name: str, *, size: int = 1, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, "/etc/hostname"
    return info


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_good_archives_are_unpacked(tmp_path: Path, suffix: str) -> None:
    """Files and folders arrive with their content."""
    file = tmp_path / f"a.{suffix}"
    if suffix == "zip":
        _zip(file, **{"top/inner/a.txt": b"x", "top/empty/": b""})
    else:
        folder = _info("top/empty", size=0, kind=tarfile.DIRTYPE)
        mode = "w:gz" if suffix == "tar.gz" else "w"
        _tar(file, _info("top/inner/a.txt"), folder, mode=mode)
    unpack(file, tmp_path / "out")
    assert (tmp_path / "out/top/inner/a.txt").read_bytes() == b"x"
    assert (tmp_path / "out/top/empty").is_dir()


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil", "a/../../../tmp/evil"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_write_nothing_at_all(tmp_path: Path, name: str, kind: str) -> None:
    """Not even the harmless entry before the bad one is written."""
    file = tmp_path / f"a.{kind}"
    if kind == "zip":
        _zip(file, **{"good": b"x", name: b"x"})
    else:
        _tar(file, _info("good"), _info(name))
    with pytest.raises(DataError, match="leads out"):
        unpack(file, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    """Only files and folders come out of an archive."""
    file = _tar(tmp_path / "a.tar", _info("odd", size=0, kind=kind))
    with pytest.raises(DataError, match=r"is a (link|device)"):
        unpack(file, tmp_path / "out")


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    """A zip keeps the kind of an entry in its Unix mode."""
    info = zipfile.ZipInfo("odd")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/hostname")
    with pytest.raises(DataError, match="is a link"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_link_that_lies_in_the_target_is_not_followed(tmp_path: Path) -> None:
    """Unpacking can't be led out by what was there before."""
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "top").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="leads out"):
        unpack(_zip(tmp_path / "a.zip", **{"top/a.txt": b"x"}), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_bombs_are_refused_by_their_unpacked_size(tmp_path: Path) -> None:
    """A small archive of many zeros is over the limit before anything is written."""
    file = _zip(tmp_path / "a.zip", zeros=bytes(10_000_000))
    assert file.stat().st_size < 20_000
    with pytest.raises(DataError, match="more than 1,000,000 bytes"):
        unpack(file, tmp_path / "out", max_bytes=1_000_000)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", ["zip", "tar"])
def test_too_many_entries_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Before any is written; as many as are allowed come out."""
    monkeypatch.setattr("data_prep.download.MAX_ENTRIES", 3)
    for n in (3, 4):
        file, names = tmp_path / f"{n}.{suffix}", [f"{i}.txt" for i in range(n)]
        if suffix == "zip":
            _zip(file, **dict.fromkeys(names, b"x"))
        else:
            _tar(file, *map(_info, names))
    unpack(tmp_path / f"3.{suffix}", tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 3
    with pytest.raises(DataError, match="more than 3 entries; refused"):
        unpack(tmp_path / f"4.{suffix}", tmp_path / "more")
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize("wide", [False, True])
def test_a_zip_with_a_long_list_of_entries_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wide: bool
) -> None:
    """The list is read as a whole: its end says how long it is, in wide numbers where need be."""
    file = _zip(tmp_path / "a.zip", **{f"{i}.txt": b"x" for i in range(3)})
    if wide:
        content = file.read_bytes()
        place = content.rfind(b"PK\5\6")
        entries, n_bytes, start = struct.unpack_from("<10xHLL", content, place)
        sizes = (entries, entries, n_bytes, start)
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *sizes)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[2**16 - 1] * 2, *[2**32 - 1] * 2, 0)
        file.write_bytes(content[:place] + record + locator + end)
    unpack(file, tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 3
    monkeypatch.setattr(zipfile, "ZipFile", None)
    for limit, most in (("MAX_DIRECTORY_BYTES", 100), ("MAX_ENTRIES", 2)):
        with monkeypatch.context() as patched, pytest.raises(DataError, match="entries; refused"):
            patched.setattr(f"data_prep.download.{limit}", most)
            unpack(file, tmp_path / "more")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 broken"])
def test_damaged_archives_ask_for_another_download(tmp_path: Path, content: bytes) -> None:
    """Neither a zip nor a tar."""
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_flipped_byte_in_a_zip_is_noticed(tmp_path: Path) -> None:
    """Every entry's checksum is compared."""
    file = tmp_path / "a.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a", b"content")
    file.write_bytes(file.read_bytes().replace(b"content", b"contend", 1))
    with pytest.raises(DataError, match="damaged"):
        unpack(file, tmp_path / "out")
