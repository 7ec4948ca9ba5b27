"""Fetch a publisher's archive and unpack it without trusting it. Standard library only."""

import hashlib
import http.client
import lzma
import os
import queue
import shutil
import stat
import struct
import tarfile
import threading
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import IO, NamedTuple

from data_prep.examples import DataError

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60  # for a server to answer, and for each of its silences
SLOWEST_BYTES_PER_S = 10_000  # over SLOW_S seconds; at this rate ESC-50 takes 17 hours
SLOW_S = 60.0
MAX_BYTES = 4 * 2**30  # of a download: the largest that is published here has 0.6 GB
MAX_UNPACKED_BYTES = 20 * 2**30
MAX_ENTRIES = 50_000  # of an archive: the largest has 2,000, and each costs memory and a file
MAX_DIRECTORY_BYTES = 400 * MAX_ENTRIES  # of a zip's list of entries, read as a whole
_ZIP_END_BYTES = 2**16 + 200  # the end of a zip with its comment, wide numbers before it
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RuntimeError,  # a zip that demands a password
)


class Member(NamedTuple):
    """One entry of an archive; kind is `file`, `folder` or what else it claims to be."""

    name: str
    kind: str
    n_bytes: int
    open: Callable[[], IO[bytes]]


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Progress | None = None,
) -> Path:
    """Fetch `url` to the file `target`, which appears only when whole and of the right sum.

    A target that has a given sum already is left alone. progress(done, total) counts bytes.
    Raises DataError where the server refuses, can't be reached, sends less than it announced, more
    than `max_bytes`, or so slowly that it would not end, or the sum is another one.
    """
    target = Path(target)
    wanted = {"sha256": sha256, "md5": md5}
    sums = {algorithm: text.lower() for algorithm, text in wanted.items() if text}
    if sums and target.is_file() and _sums(target, sums) == sums:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _fetch(url, partial, max_bytes, progress)
        _check_sums(url, found=_sums(partial, sums), wanted=sums)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def unpack(archive: Path, target: Path, *, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
    """Unpack a zip or tar archive into the folder `target`.

    Nothing is written before every entry has been looked at. Raises DataError for a damaged
    archive, links and devices, names that lead out of the folder, more than `max_bytes`, and more
    than MAX_ENTRIES entries.
    """
    archive, target = Path(archive), Path(target)
    try:
        with _members(archive) as members:
            listed = _checked(archive, members, target, max_bytes)
            for member in listed:
                _write(member, target)
    except DAMAGED as error:
        raise DataError(f"{archive}: damaged archive ({error}); download it again") from error
    except OSError as error:
        raise DataError(f"{archive}: can't be unpacked into {target}: {error}") from error


def put_missing(fresh: Path, folder: Path, *, is_damaged: Callable[[Path], bool]) -> None:
    """Moves files of the folder `fresh` to where they are missing or damaged in `folder`."""
    for source in sorted(path for path in fresh.rglob("*") if path.is_file()):
        target = folder / source.relative_to(fresh)
        if not target.exists() or is_damaged(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)


def _fetch(url: str, partial: Path, max_bytes: int, progress: Progress | None) -> None:
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url}: only http and https addresses can be downloaded")
    try:
        with _answer(url) as response, partial.open("wb") as file:
            total, done = _announced(url, response, max_bytes), 0
            pace = _Pace(url)
            while block := response.read1(BLOCK_BYTES):  # `read` would wait for a whole block
                file.write(block)
                done += len(block)
                if done > max_bytes:
                    raise DataError(f"{url}: sends more than {max_bytes:,} bytes; refused")
                pace.count(len(block))
                if progress is not None:
                    progress(done, total)
    except urllib.error.HTTPError as error:
        raise DataError(f"{url}: the server answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise DataError(f"{url}: can't be reached ({error.reason}); is there a network?") from error
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{url}: download to {partial.parent} broke off: {error!r}") from error
    if total is not None and done != total:
        raise DataError(f"{url}: broke off after {done:,} of {total:,} bytes; try again")


def _answer(url: str) -> http.client.HTTPResponse:
    """The server's answer; one that drips in for longer than TIMEOUT_S is given up.

    The timeout of a socket counts each of its silences anew, so a thread is waited for.
    """
    answer: queue.Queue[http.client.HTTPResponse | Exception] = queue.Queue()

    def ask() -> None:
        try:
            answer.put(urllib.request.urlopen(url, timeout=TIMEOUT_S))
        except Exception as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        found = answer.get(timeout=TIMEOUT_S)
    except queue.Empty:
        raise DataError(f"{url}: no answer within {TIMEOUT_S:g} s; try again later") from None
    if isinstance(found, Exception):
        raise found
    return found


def _announced(url: str, response: http.client.HTTPResponse, max_bytes: int) -> int | None:
    """How many bytes the server says will come, None where it does not."""
    text = response.headers.get("Content-Length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise DataError(f"{url}: the server announces {text[:40]!r} bytes; refused")
    if int(text) > max_bytes:
        raise DataError(f"{url}: {int(text):,} bytes announced, more than {max_bytes:,}; refused")
    return int(text)


class _Pace:
    """Gives a download up that has become too slow ever to end."""

    def __init__(self, url: str) -> None:
        self._url, self._since, self._n_bytes = url, monotonic(), 0

    def count(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        seconds = monotonic() - self._since
        if seconds < SLOW_S:
            return
        if self._n_bytes < SLOWEST_BYTES_PER_S * seconds:
            came = f"{self._n_bytes:,} bytes in {seconds:.0f} s"
            raise DataError(f"{self._url}: too slow ({came}); try again later")
        self._since, self._n_bytes = monotonic(), 0


def _sums(file: Path, algorithms: dict[str, str]) -> dict[str, str]:
    found = {}
    for algorithm in algorithms:
        with file.open("rb") as handle:
            found[algorithm] = hashlib.file_digest(handle, algorithm).hexdigest()
    return found


def _check_sums(url: str, *, found: dict[str, str], wanted: dict[str, str]) -> None:
    for algorithm, text in wanted.items():
        if found[algorithm] != text:
            raise DataError(f"{url}: {algorithm} is {found[algorithm]}, published is {text}")


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    if zipfile.is_zipfile(archive):
        _refuse_long_directory(archive)
        with zipfile.ZipFile(archive) as file:
            yield (_zip_member(file, info) for info in file.infolist())
    else:
        with tarfile.open(archive) as file:
            yield (_tar_member(file, info) for info in file)


def _refuse_long_directory(archive: Path) -> None:
    """Before `zipfile` reads a list of entries as a whole: how long the zip's end says it is.

    The number of entries could be another one; the length is what will be read.
    """
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - _ZIP_END_BYTES))
        end = file.read()
    place = end.rfind(b"PK\5\6")
    found = struct.unpack_from("<4s4H2L", end, place) if 0 <= place <= len(end) - 20 else None
    wide = end.rfind(b"PK\6\6", 0, max(0, place))  # of large archives, where numbers are wider
    n_entries, n_bytes = found[4:6] if found else (0, 0)
    if 0 <= wide <= len(end) - 48 and (n_entries == 2**16 - 1 or n_bytes == 2**32 - 1):
        n_entries, n_bytes = struct.unpack_from("<2Q", end, wide + 32)
    if n_entries > MAX_ENTRIES or n_bytes > MAX_DIRECTORY_BYTES:
        raise _too_many(archive)


def _too_many(archive: Path) -> DataError:
    return DataError(f"{archive}: more than {MAX_ENTRIES:,} entries; refused")


def _zip_member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    kind = "folder" if info.is_dir() else "file"
    if stat.S_ISLNK(mode):
        kind = "link"
    return Member(info.filename, kind, info.file_size, lambda: file.open(info))


def _tar_member(file: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kinds = {info.isreg(): "file", info.isdir(): "folder", info.issym() or info.islnk(): "link"}

    def opened() -> IO[bytes]:
        content = file.extractfile(info)
        if content is None:
            raise tarfile.ReadError(f"{info.name} has no content")
        return content

    return Member(info.name, kinds.get(True, "device"), info.size, opened)


def _checked(
    archive: Path, members: Iterator[Member], target: Path, max_bytes: int
) -> list[Member]:
    listed, n_bytes = [], 0
    for member in members:
        if len(listed) == MAX_ENTRIES:
            raise _too_many(archive)
        n_bytes += member.n_bytes
        if n_bytes > max_bytes:
            raise DataError(f"{archive}: unpacks to more than {max_bytes:,} bytes; refused")
        if member.kind not in ("file", "folder"):
            raise DataError(f"{archive}: {member.name!r} is a {member.kind}; refused")
        if _leads_out(member.name, target):
            raise DataError(f"{archive}: {member.name!r} leads out of the folder; refused")
        listed.append(member)
    return listed


def _leads_out(name: str, target: Path) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name.split("/")[0] or "\0" in name:
        return True
    # a link that already lies in the target must not be followed out of it either
    return not (target / path).resolve().is_relative_to(target.resolve())


def _write(member: Member, target: Path) -> None:
    place = target / PurePosixPath(member.name.replace("\\", "/"))
    if member.kind == "folder":
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as content, place.open("wb") as file:
        shutil.copyfileobj(content, file, BLOCK_BYTES)
