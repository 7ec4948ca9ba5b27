"""Pictures of a folder become squares of bytes, the same ones every time."""

import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import image_folder
from data_prep.examples import DataError
from tests.own_data import write_images

RED, BLUE = (255, 0, 0), (0, 0, 255)


def saved(file: Path, picture: Image.Image, **how: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, **how)
    return file


def test_inputs_are_what_was_described(tmp_path: Path) -> None:
    """Eight pictures of two classes, bytes that reach the model as 0..1."""
    folder = write_images(tmp_path / "pets")

    examples = image_folder.load(tmp_path, path=str(folder), size=16)
    described = image_folder.describe(tmp_path, path=str(folder), size=16)

    assert examples.inputs.shape == (8, *described.input_shape) == (8, 3, 16, 16)
    assert examples.inputs.dtype == np.dtype(described.storage_dtype) == np.uint8
    assert examples.input_scale == 1 / 255
    assert examples.targets.tolist() == [0] * 4 + [1] * 4
    assert examples.example_ids[0] == "cat/00.png"
    assert (described.n_examples, described.class_names) == (8, ("cat", "dog"))


def test_the_middle_of_the_longer_side_is_kept(tmp_path: Path) -> None:
    """A wide picture, red at both ends and blue in the middle, becomes blue."""
    wide = Image.new("RGB", (40, 10), RED)
    wide.paste(BLUE, (10, 0, 30, 10))
    file = saved(tmp_path / "wide.png", wide)

    pixels = image_folder.read_image(file, size=10, channels=3)

    assert pixels.shape == (3, 10, 10)
    assert pixels[2].min() == 255
    assert pixels[0].max() == 0


def test_one_channel_is_brightness(tmp_path: Path) -> None:
    """ITU-R 601: 0.299 of red, so 76 of 255."""
    file = saved(tmp_path / "red.png", Image.new("RGB", (4, 4), RED))

    assert image_folder.read_image(file, size=4, channels=1).tolist() == [[[76] * 4] * 4]


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    """A camera held sideways says so beside the pixels: the left half becomes the upper one."""
    half = Image.new("L", (8, 8), 0)
    half.paste(255, (0, 0, 4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    file = saved(tmp_path / "turned.png", half, exif=exif)

    pixels = image_folder.read_image(file, size=8, channels=1)[0]

    assert pixels[0].tolist() == [255] * 8
    assert pixels[7].tolist() == [0] * 8


def disc(size: int = 8) -> np.ndarray:
    """Bytes: 255 in the middle half, 0 around it."""
    mask = np.zeros((size, size), np.uint8)
    mask[size // 4 : -size // 4, size // 4 : -size // 4] = 255
    return mask


def hidden_behind(alpha: np.ndarray, colour: int) -> Image.Image:
    """RGBA of one grey."""
    return Image.fromarray(np.dstack([np.full((*alpha.shape, 3), colour, np.uint8), alpha]))


def grey_alpha() -> Image.Image:
    return hidden_behind(disc(), 0).convert("LA")


def palette() -> Image.Image:
    """Two entries of the same black, the first of which stands for nothing."""
    picture = Image.fromarray(disc() // 255, "P")
    picture.putpalette([0] * 6)
    return picture


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ending", "made", "how"),
    [
        ("png", lambda: hidden_behind(disc(), 0), {}),
        ("webp", lambda: hidden_behind(disc(), 0), {"lossless": True, "exact": True}),
        ("tiff", lambda: hidden_behind(disc(), 0), {}),
        ("png", grey_alpha, {}),
        ("png", palette, {"transparency": 0}),
        ("png", palette, {"transparency": b"\x00\xff"}),
        ("gif", palette, {"transparency": 0}),
        ("png", lambda: Image.fromarray(disc() // 255 * 9), {"transparency": 0}),
    ],
)
def test_transparent_pictures_are_laid_on_white(
    ending: str, made: object, how: dict, channels: int, tmp_path: Path
) -> None:
    """A dark disc on nothing is a dark disc on white, not black on black."""
    file = saved(tmp_path / f"disc.{ending}", made(), **how)

    pixels = image_folder.read_image(file, size=8, channels=channels)

    assert (pixels[:, disc() == 0] == 255).all()
    assert (pixels[:, disc() > 0] < 10).all()


def test_hidden_colours_do_not_show(tmp_path: Path) -> None:
    """Half of black is grey; noise under transparent pixels is white."""
    half = saved(tmp_path / "half.png", hidden_behind(np.full((4, 4), 128, np.uint8), 0))
    noise = np.random.default_rng(0).integers(0, 256, (4, 4, 4)).astype(np.uint8)
    noise[..., 3] = 0
    nothing = saved(tmp_path / "nothing.png", Image.fromarray(noise))

    assert np.unique(image_folder.read_image(half, size=4, channels=3)).tolist() == [127]
    assert np.unique(image_folder.read_image(nothing, size=4, channels=3)).tolist() == [255]


def test_an_alpha_channel_that_hides_nothing_changes_nothing(tmp_path: Path) -> None:
    """The pixels are those of the picture without it."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8))
    plain = saved(tmp_path / "plain.png", noise)
    opaque = saved(tmp_path / "opaque.png", noise.convert("RGBA"))

    for channels in (1, 3):
        one, other = (
            image_folder.read_image(file, size=5, channels=channels) for file in (plain, opaque)
        )
        assert np.array_equal(one, other)


def png(colour_type: int, bits: int, row: bytes, *, transparent: bytes = b"") -> bytes:
    """A PNG of two pixels, of kinds that Pillow can read but not write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, bits, colour_type, 0, 0, 0))
    colour = chunk(b"tRNS", transparent) if transparent else b""
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + head + colour + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "greys"),
    [
        (png(6, 16, struct.pack(">8H", 0, 0, 0, 65535, 9, 9, 9, 0)), [0, 255]),
        (png(4, 16, struct.pack(">4H", 0, 65535, 9, 0)), [0, 255]),
        (png(0, 4, bytes([0x05]), transparent=b"\0\5"), [0, 255]),
        (png(0, 2, bytes([0x10]), transparent=b"\0\1"), [0, 255]),
        (png(0, 1, bytes([0x40]), transparent=b"\0\1"), [0, 255]),
        (png(0, 8, bytes([0, 5]), transparent=b"\0\5"), [0, 255]),
        (png(2, 8, bytes([0, 0, 0, 1, 2, 3]), transparent=b"\0\1\0\2\0\3"), [0, 255]),
    ],
)
def test_transparency_of_1_to_16_bits(content: bytes, greys: list[int], tmp_path: Path) -> None:
    """The first pixel is black, nothing is at the second."""
    (tmp_path / "x.png").write_bytes(content)

    with Image.open(tmp_path / "x.png") as opened:
        image_folder._mend_transparency(opened)
        assert np.asarray(image_folder._on_white(opened, "L")).tolist() == [greys]


def test_a_transparent_colour_of_16_bits_is_refused(tmp_path: Path) -> None:
    """Pillow halves the pixels, so that others would become transparent too."""
    row = struct.pack(">6H", 0x1234, 0x1234, 0x1234, 0x1299, 0x1234, 0x1234)
    (tmp_path / "x.png").write_bytes(png(2, 16, row, transparent=row[:6]))

    with pytest.raises(DataError, match="16 bits a channel and a transparent colour"):
        image_folder.read_image(tmp_path / "x.png", size=1, channels=3)


def test_pictures_that_cannot_be_read_are_named_and_counted(tmp_path: Path) -> None:
    """Damaged, empty, and deeper than a byte would hold."""
    folder = write_images(tmp_path / "pets")
    (folder / "cat" / "00.png").write_bytes(b"no picture")
    (folder / "cat" / "01.png").write_bytes(b"")
    saved(folder / "dog" / "02.png", Image.fromarray(np.zeros((4, 4), np.uint16)))

    with pytest.raises(DataError) as error:
        image_folder.load(tmp_path, path=str(folder))

    text = str(error.value)
    assert "images that can't be read (3)" in text
    assert "00.png: not an image\n" in text
    assert "02.png: more than 8 bits a channel (I;16); convert it to 8" in text


def test_files_are_all_pictures_and_the_table(tmp_path: Path) -> None:
    """What `load` reads decides the identity of the data."""
    folder = write_images(tmp_path / "pets", n=2)
    (folder / "t.csv").write_text("path,label\n" + "".join(
        f"{name},{name[0]}\n" for name in ("cat/00.png", "cat/01.png", "dog/00.png", "dog/01.png")
    ))  # fmt: skip

    assert len(image_folder.files(tmp_path, path=str(folder))) == 4
    with_table = image_folder.files(tmp_path, path=str(folder), labels="t.csv")
    assert with_table[0] == folder / "t.csv"
    assert image_folder.load(tmp_path, path=str(folder), labels="t.csv").class_names == ("c", "d")


def test_a_size_below_one_is_refused(tmp_path: Path) -> None:
    """With the option's name."""
    with pytest.raises(DataError, match="at least 1; found 0") as error:
        image_folder.describe(tmp_path, path=".", size=0)

    assert error.value.option == "size"


def test_a_picture_of_too_many_pixels_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, pixels and limit; its header is all that is read of it."""
    folder = write_images(tmp_path / "pets")
    monkeypatch.setattr(image_folder, "PIXELS_AT_ONCE", 1_000)
    saved(folder / "cat" / "large.png", Image.new("RGB", (40, 30)))
    with pytest.raises(DataError, match=r"large\.png: 1,200 pixels, more than 1,000; make"):
        image_folder.load(tmp_path, path=str(folder), size=8)


def test_pictures_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more pixels at once than allowed, and all of them in the end."""
    monkeypatch.setattr(image_folder, "PIXELS_AT_ONCE", 10)
    most: list[int] = []

    def decode(pixels: int) -> None:
        with image_folder._decoding(pixels):
            most.append(image_folder._decoded_now[0])
            time.sleep(0.001)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(decode, [4, 7, 10, 1, 3, 6] * 5))
    assert len(most) == 30
    assert max(most) <= 10
    assert image_folder._decoded_now == [0]
