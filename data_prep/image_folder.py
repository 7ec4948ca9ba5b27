"""Your own images: FOLDER/class/file, or a CSV table of paths and labels."""

from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Literal

from data_prep.examples import DataError, Description, Examples
from data_prep.own_files import OwnFiles, description, examples, own_files
from data_prep.own_tables import OptionError, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    import numpy as np
    from PIL.Image import Image

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MODES = {1: "L", 3: "RGB"}
DEEP_MODES = ("I", "F")  # more than 8 bits a channel, which a plain conversion would clip
PREPROCESSING = (
    "turned upright, laid on white where transparent, the shorter side resized (bilinear), the "
    "middle cut out"
)
PIXELS_AT_ONCE = 120_000_000
"""Of all pictures being decoded: 1.5 GB, at 12 bytes for each pixel of a transparent one. Larger
ones are refused; the finest cameras of phones have 108 million."""
PIECE_BYTES = 64 * 2**20
"""Of Pillow's memory for a picture: what is over 32 MiB goes back to the system when it is freed,
less would stay with the thread that decoded it (six of 100 million pixels: 3.7 GB, not 1.2)."""
FEW_GREYS = {"L;2": 85, "L;4": 17}  # how Pillow spreads 2 and 4 bits over 0..255

_room = Condition()
_decoded_now = [0]  # pixels, of all threads


def describe(
    root: "str | PathLike[str]" = ".",
    *,
    path: str,
    size: int = 64,
    channels: Literal[1, 3] = 3,
    labels: str | None = None,
) -> Description:
    """What the listing of the folder says. Raises DataError where it is not as expected."""
    own = _own(root, path, size, labels)
    return description(
        own.items,
        own.class_names,
        title=f"Images of {path}",
        input_shape=(channels, size, size),
        storage_dtype="uint8",
        preprocessing=PREPROCESSING,
    )


def prepare(
    root: "str | PathLike[str]",
    *,
    path: str,
    size: int = 64,
    channels: Literal[1, 3] = 3,
    labels: str | None = None,
) -> None:
    """Nothing to download; looks that the folder is as expected."""
    _own(root, path, size, labels)


def files(
    root: "str | PathLike[str]",
    *,
    path: str,
    size: int = 64,
    channels: Literal[1, 3] = 3,
    labels: str | None = None,
) -> list[Path]:
    """The table, where there is one, and the images."""
    return _own(root, path, size, labels).raw_files


def load(
    root: "str | PathLike[str]",
    *,
    path: str,
    size: int = 64,
    channels: Literal[1, 3] = 3,
    labels: str | None = None,
) -> Examples:
    """All images sorted by name: inputs (n, channels, size, size) uint8, given to models as 0..1.

    Turned upright, laid on white where they are transparent, the shorter side resized to `size`
    (bilinear), the middle cut out. Raises DataError with the first few images that can't be read.
    """
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from PIL import Image, UnidentifiedImageError

    Image.core.set_block_size(PIECE_BYTES)
    own = _own(root, path, size, labels)
    inputs = np.empty((len(own.items), channels, size, size), dtype=np.uint8)

    def fill(row: int) -> str | None:
        file = own.files[row]
        try:
            inputs[row] = read_image(file, size=size, channels=channels)
        except UnidentifiedImageError:
            return f"{file}: not an image"  # Pillow's words name the file again
        except Exception as error:  # Pillow's decoders raise what they like
            return f"{file}: {error or type(error).__name__}"
        return None

    with ThreadPoolExecutor() as threads:
        problems = [text for text in threads.map(fill, range(len(inputs))) if text]
    refuse(
        problems,
        head=f"{own.folder}: images that can't be read",
        cure="mend them or take them away",
    )
    return examples(own.items, own.class_names, inputs, input_scale=1 / 255)


def read_image(file: Path, *, size: int, channels: int) -> "np.ndarray":
    """(channels, size, size) uint8 of one file; the first picture of a moving one.

    Raises what Pillow raises for a file that it can't read, and DataError for more bits than 8
    that a conversion would get wrong, and for more than PIXELS_AT_ONCE.
    """
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(file) as opened, _decoding(opened.width * opened.height):
        if opened.mode.split(";")[0] in DEEP_MODES:
            raise DataError(f"more than 8 bits a channel ({opened.mode}); convert it to 8")
        _mend_transparency(opened)
        ImageOps.exif_transpose(opened, in_place=True)
        upright = _on_white(opened, MODES[channels])
        fitted = ImageOps.fit(upright, (size, size), method=Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(size, size, channels).transpose(2, 0, 1)


def read_input(path: Path, *, size: int = 64, channels: Literal[1, 3] = 3) -> "np.ndarray":
    """(channels, size, size) uint8 of any picture, as `load` gives it."""
    from data_prep.reading import picture

    return picture(path, size=size, channels=channels)


@contextmanager
def _decoding(pixels: int) -> "Iterator[None]":
    """Waits until so many pixels fit beside those that other threads decode."""
    if pixels > PIXELS_AT_ONCE:
        raise DataError(f"{pixels:,} pixels, more than {PIXELS_AT_ONCE:,}; make it smaller")
    with _room:
        _room.wait_for(lambda: _decoded_now[0] + pixels <= PIXELS_AT_ONCE)
        _decoded_now[0] += pixels
    try:
        yield
    finally:
        with _room:
            _decoded_now[0] -= pixels
            _room.notify_all()


def _mend_transparency(opened: "Image") -> None:
    """The colour of a PNG that stands for nothing, in the values that Pillow gives the pixels."""
    if "transparency" not in opened.info or not opened.tile:
        return
    stored = str(opened.tile[0][3])
    if stored == "RGB;16B":
        raise DataError("16 bits a channel and a transparent colour; convert it to 8 bits")
    if stored in FEW_GREYS:
        opened.info["transparency"] *= FEW_GREYS[stored]


def _on_white(picture: "Image", mode: str) -> "Image":
    """In another mode; what lies behind transparent pixels is white, whatever they hide."""
    from PIL import Image

    if not picture.has_transparency_data:
        return picture if picture.mode == mode else picture.convert(mode)
    layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert(mode)


def _own(root: "str | PathLike[str]", path: str, size: int, labels: str | None) -> OwnFiles:
    if size < 1:
        raise OptionError(f"must be at least 1; found {size}", option="size")
    return own_files(root, path=path, labels=labels, endings=ENDINGS)
