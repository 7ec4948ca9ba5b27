"""Whether a sound file is whole: what it declares, held against the bytes that are there.

libsndfile reads what is left of a cut WAV, AIFF, AU, Ogg or MP3 file without a word. A size of 0,
or one near the largest number, is what a program writes into a pipe: it can't go back to fill the
length in, and the sound lasts to the end of the file.
"""

import io
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from data_prep.examples import DataError

# SoX writes 0x7FFFF000 into a pipe, FFmpeg 0xFFFFFFFF; whole sounds that long are no examples.
UNDECLARED_FROM = 0x7F00_0000
_ORDERS = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">", b"FORM": ">"}

_LAYER_3 = 1
_MPEG_1 = 3
_BITRATES_KBIT = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # of MPEG 1
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # of MPEG 2 and 2.5
}
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class _Size(NamedTuple):
    """A size as a header declares it. place: of its four bytes; start: of what it counts.

    order: of the bytes, as `struct` writes it. is_open: the file's own size is not declared
    either, so that 0 means unknown, not empty.
    """

    place: int
    start: int
    declared: int
    order: str
    is_open: bool = True


def whole_sound(file: Path) -> "Path | io.BytesIO":
    """What to decode: the file, or its bytes with the size filled in that a pipe left at 0.

    Raises DataError for a file that ends before its sound does.
    """
    with file.open("rb") as handle:
        start = handle.read(12)
        length = handle.seek(0, io.SEEK_END)
        size = _declared(handle, start)
        if size is not None:
            there = length - size.start
            if size.declared == 0 and size.is_open and there > 0:
                return _filled_in(handle, size)
            if there < size.declared < UNDECLARED_FROM:
                raise DataError(
                    f"cut: {size.declared:,} bytes of sound are declared, {max(there, 0):,} are "
                    "there"
                )
        elif start[:4] == b"OggS":
            _refuse_cut_ogg(_content(handle))
        elif start[:3] == b"ID3" or _frame_bytes(start) is not None:
            _refuse_cut_mp3(_content(handle))
    return file


def _content(handle: BinaryIO) -> bytes:
    handle.seek(0)
    return handle.read()


def _declared(handle: BinaryIO, start: bytes) -> _Size | None:
    """The size of the sound in a WAV, AIFF or AU file; None for others, or where none is found."""
    if len(start) < 12:
        return None
    if start[:4] in (b".snd", b"dns."):
        order = ">" if start[:4] == b".snd" else "<"
        offset, declared = struct.unpack(f"{order}II", start[4:])
        return _Size(8, offset, declared, order)
    order = _ORDERS.get(start[:4], "")
    if not order or start[8:] not in (b"WAVE", b"AIFF", b"AIFC"):
        return None
    in_all = struct.unpack(f"{order}I", start[4:8])[0]
    place, of_64_bits = 12, None
    while True:
        handle.seek(place)
        head = handle.read(8)
        if len(head) < 8:
            return None
        name, size = struct.unpack(f"{order}4sI", head)
        if name == b"ds64" and len(longer := handle.read(16)) == 16:
            of_64_bits = struct.unpack("<8xQ", longer)[0]
        if name in (b"data", b"SSND"):
            declared = of_64_bits if size == 0xFFFF_FFFF and of_64_bits is not None else size
            is_open = not place < in_all < UNDECLARED_FROM
            return _Size(place + 4, place + 8, declared, order, is_open)
        place += 8 + size + size % 2


def _filled_in(handle: BinaryIO, size: _Size) -> io.BytesIO:
    content = bytearray(_content(handle))
    struct.pack_into(f"{size.order}I", content, size.place, len(content) - size.start)
    return io.BytesIO(content)


def _refuse_cut_ogg(content: bytes) -> None:
    """Each stream's last page has to be whole, and marked as the last (RFC 3533)."""
    unfinished: set[bytes] = set()
    page = 0
    while page >= 0:
        n_segments = content[page + 26] if page + 26 < len(content) else 0
        segments = content[page + 27 : page + 27 + n_segments]
        end = page + 27 + n_segments + sum(segments)
        if end > len(content):
            raise DataError("cut: its last page ends too early")
        stream, is_last = content[page + 14 : page + 18], content[page + 5] & 4
        unfinished = unfinished - {stream} if is_last else unfinished | {stream}
        page = content.find(b"OggS", end)
    if unfinished:
        raise DataError("cut: no page is marked as its last")


def _refuse_cut_mp3(content: bytes) -> None:
    """The last frame has to be whole, and all frames there that the first one declares."""
    place = first = _first_frame(content)
    n_frames = 0
    while place < len(content):
        size = _frame_bytes(content[place : place + 4])
        if size is None:  # a tag, or something else between frames
            place = _first_frame(content, place)
            continue
        if place + size > len(content):
            raise DataError("cut: its last frame ends too early")
        place += size
        n_frames += 1
    declared = _declared_frames(content[first : first + 192])
    if declared is not None and n_frames < declared:
        raise DataError(f"cut: {declared:,} frames are declared, {n_frames:,} are there")


def _first_frame(content: bytes, place: int = 0) -> int:
    """Where the first frame at or behind a place begins; the end where there is none.

    Behind it alone what looks like a frame has to be followed by another.
    """
    if content[place : place + 3] == b"ID3":
        a, b, c, d = content[place + 6 : place + 10]
        place += 10 + (a << 21 | b << 14 | c << 7 | d)
    if _frame_bytes(content[place : place + 4]) is not None:
        return place
    while (place := content.find(b"\xff", place + 1)) >= 0:
        size = _frame_bytes(content[place : place + 4])
        if size is not None and _frame_bytes(content[place + size : place + size + 4]) is not None:
            return place
    return len(content)


def _frame_bytes(header: bytes) -> int | None:
    """Length of the MPEG frame of layer III with this header; None where it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version not in _RATES_HZ or layer != _LAYER_3 or not 0 < bitrate < 15 or rate == 3:
        return None
    is_mpeg_1, is_padded = version == _MPEG_1, header[2] >> 1 & 1
    bytes_per_s = _BITRATES_KBIT[is_mpeg_1][bitrate - 1] * 125
    samples = 1152 if is_mpeg_1 else 576
    return samples * bytes_per_s // _RATES_HZ[version][rate] + is_padded


def _declared_frames(first: bytes) -> int | None:
    """How many frames follow the first one, where it says so in place of sound."""
    for name, offset in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        place = first.find(name)
        if place < 0 or len(first) < place + offset + 4:
            continue
        if name == b"VBRI" or first[place + 7] & 1:
            return int.from_bytes(first[place + offset : place + offset + 4], "big")
    return None
