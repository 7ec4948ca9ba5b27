"""Handwritten digits: 1,797 images of 8 x 8, shipped inside scikit-learn. Nothing to download."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.examples import DataError, Description, Examples

if TYPE_CHECKING:
    from os import PathLike

CLASS_NAMES = tuple("0123456789")
N_EXAMPLES = 1797
LARGEST_VALUE = 16  # a pixel counts the ink in a 4 x 4 block


def describe() -> Description:
    """What is known without reading any data."""
    return Description(
        title="Optical recognition of handwritten digits (UCI test set, from scikit-learn)",
        input_shape=(1, 8, 8),
        class_names=CLASS_NAMES,
        n_examples=N_EXAMPLES,
        source="E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, doi 10.24432/C50P49",
        licence="CC BY 4.0",
        storage_dtype="uint8",
    )


def prepare(root: "str | PathLike[str]") -> None:
    """Nothing: the data is installed with scikit-learn."""


def files(root: "str | PathLike[str]") -> list[Path]:
    """The installed table. Raises DataError where scikit-learn is not installed."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise DataError("digits: scikit-learn is not installed; run `pip install scikit-learn`")
    return [Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"]


def load(root: "str | PathLike[str]") -> Examples:
    """All digits: inputs (1797, 1, 8, 8) uint8 in 0..16, given to models as 0..1.

    Raises DataError where the installed table is missing or damaged.
    """
    import numpy as np

    (table,) = files(root)
    try:
        rows = np.loadtxt(table, delimiter=",", dtype=np.int64)  # (n, 64 pixels + target)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{table}: can't be read ({error}); reinstall scikit-learn") from error
    if rows.shape != (N_EXAMPLES, 65):
        raise DataError(f"{table}: not the table of {N_EXAMPLES} digits; reinstall scikit-learn")
    return Examples(
        inputs=rows[:, :64].astype(np.uint8).reshape(-1, 1, 8, 8),
        targets=rows[:, 64].copy(),
        example_ids=np.array([f"digit-{index:04d}" for index in range(len(rows))]),
        class_names=CLASS_NAMES,
        input_scale=1 / LARGEST_VALUE,
    )


def read_input(path: Path):
    """(1, 8, 8) uint8 in 0..16 of any picture of a digit, light on dark: its middle, resized."""
    import numpy as np

    from data_prep.reading import picture

    grey = picture(path, size=8, channels=1)
    return np.rint(grey * (LARGEST_VALUE / 255)).astype(np.uint8)
