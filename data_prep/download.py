"""Fetch a publisher's archive and unpack it without trusting it. Standard library only."""

import hashlib
import http.client
import lzma
import os
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from data_prep.examples import DataError

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where known

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60
MAX_UNPACKED_BYTES = 20 * 2**30
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
    progress: Progress | None = None,
) -> Path:
    """Fetch `url` to the file `target`, which appears only when whole and of the right sum.

    A target that has a given sum already is left alone. progress(done, total) counts bytes.
    Raises DataError where the server refuses, can't be reached, sends less than it announced, or
    the sum is another one.
    """
    target = Path(target)
    wanted = {"sha256": sha256, "md5": md5}
    sums = {algorithm: text.lower() for algorithm, text in wanted.items() if text}
    if sums and target.is_file() and _sums(target, sums) == sums:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _fetch(url, partial, progress)
        _check_sums(url, found=_sums(partial, sums), wanted=sums)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def unpack(archive: Path, target: Path, *, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
    """Unpack a zip or tar archive into the folder `target`.

    Nothing is written before every entry has been looked at. Raises DataError for a damaged
    archive, links and devices, names that lead out of the folder, and more than `max_bytes`.
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


def _fetch(url: str, partial: Path, progress: Progress | None) -> None:
    if not url.startswith(("http://", "https://")):
        raise DataError(f"{url}: only http and https addresses can be downloaded")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response, partial.open("wb") as file:
            announced = response.headers.get("Content-Length")
            total = int(announced) if announced else None
            done = 0
            while block := response.read(BLOCK_BYTES):
                file.write(block)
                done += len(block)
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
        with zipfile.ZipFile(archive) as file:
            yield (_zip_member(file, info) for info in file.infolist())
    else:
        with tarfile.open(archive) as file:
            yield (_tar_member(file, info) for info in file)


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
