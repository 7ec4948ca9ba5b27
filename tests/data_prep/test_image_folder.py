"""Pictures of a folder become squares of bytes, the same ones every time."""

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
