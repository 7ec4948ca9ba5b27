"""What systems leave between files is no data; what people call their files is."""

import pytest

from data_prep.litter import is_litter


@pytest.mark.parametrize(
    "name",
    [
        ".DS_Store",
        "._cat.png",
        ".Trashes",
        ".AppleDouble",
        ".@__thumb",
        ".ipynb_checkpoints",
        "Thumbs.db",
        "thumbs.db",
        "desktop.ini",
        "Desktop.ini",
        "$RECYCLE.BIN",
        "@eaDir",
        "System Volume Information",
        "lost+found",
        "#recycle",
        "__MACOSX",
        "Icon\r",
        "cat.png@SynoEAStream",
    ],
)
def test_it_is_passed_over(name: str) -> None:
    """In any spelling of capitals."""
    assert is_litter(name)


@pytest.mark.parametrize("name", ["cat", "recycled", "tmp", "thumbs", "a.db", "eaDir", "_x"])
def test_other_names_are_data(name: str) -> None:
    """A class may be called so."""
    assert not is_litter(name)
