"""CIFAR-10: 60,000 colour photographs of 32 x 32 pixels in ten classes.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Expected layout, as
published: ROOT/cifar-10-batches-py/data_batch_1 .. data_batch_5 and test_batch.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from data_prep.examples import DataError, Description, Examples

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np

ARCHIVE_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
FOLDER = "cifar-10-batches-py"
TRAIN_BATCHES_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
}
TEST_BATCH_MD5 = {"test_batch": "40351d587109b95175f43aff81a1287e"}
BATCHES_MD5 = TRAIN_BATCHES_MD5 | TEST_BATCH_MD5

_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck"
CLASS_NAMES = tuple(_CLASSES.split())
INPUT_SHAPE = (3, 32, 32)
N_TRAIN, N_TEST = 50_000, 10_000
VALIDATION_PER_CLASS = 500
LARGEST_VALUE = 255
ROLES: dict[str, tuple[str, ...]] = {
    "official": ("train", "test"),
    "train_validation_test": ("train", "validation", "test"),
    "pooled": (),
}
_CURE = f"run `bench prepare cifar10`, or name the folder that holds {FOLDER}/ with `--data DIR`"


def describe(
    *, split: Literal["official", "train_validation_test", "pooled"] = "official"
) -> Description:
    """What is known without reading any data."""
    return Description(
        title="CIFAR-10: photographs of 32 x 32 pixels",
        input_shape=INPUT_SHAPE,
        class_names=CLASS_NAMES,
        n_examples=N_TRAIN + N_TEST,
        source="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        licence="none stated; research use, cite the report",
        parts=ROLES[split],
        storage_dtype="uint8",
    )


def prepare(
    root: "str | PathLike[str]",
    *,
    split: Literal["official", "train_validation_test", "pooled"] = "official",
    progress: Callable[[int, int | None], None] | None = None,
) -> None:
    """Download the publisher's archive (170 MB) below `root`, unless all is there already.

    progress(done, total) counts the downloaded bytes. Batches that are right are left alone;
    missing or damaged ones are put in place. Raises DataError where that fails.
    """
    import tempfile

    from data_prep.download import download, unpack

    root = Path(root)
    if not _problems(root):
        return
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".cifar10-") as temporary:
        archive = Path(temporary) / "cifar-10-python.tar.gz"
        download(ARCHIVE_URL, archive, md5=ARCHIVE_MD5, progress=progress)
        fresh = Path(temporary) / "unpacked"
        unpack(archive, fresh)
        _refuse(_problems(fresh), cure="the download is not the published one")
        (root / FOLDER).mkdir(exist_ok=True)
        for source in sorted((fresh / FOLDER).iterdir()):
            source.replace(root / FOLDER / source.name)


def files(
    root: "str | PathLike[str]",
    *,
    split: Literal["official", "train_validation_test", "pooled"] = "official",
) -> list[Path]:
    """The six batches. Raises DataError where some are missing."""
    batches = [Path(root) / FOLDER / name for name in BATCHES_MD5]
    _refuse([f"{batch}: missing" for batch in batches if not batch.is_file()])
    return batches


def load(
    root: "str | PathLike[str]",
    *,
    split: Literal["official", "train_validation_test", "pooled"] = "official",
) -> Examples:
    """All images in the publisher's order: inputs (60000, 3, 32, 32) uint8, given as 0..1.

    split: `official` has roles train (50,000) and test (10,000); `train_validation_test` makes the
    last 500 train images of each class validation; `pooled` has no roles, for splits of one's own.
    Raises DataError for batches that are missing or not the published ones.
    """
    import numpy as np

    _refuse(_problems(Path(root)))
    pixels, targets = zip(*map(_read, files(root)), strict=True)
    target = np.concatenate(targets)
    names = [f"train-{number:05d}" for number in range(1, N_TRAIN + 1)]
    names += [f"test-{number:05d}" for number in range(1, N_TEST + 1)]
    return Examples(
        inputs=np.concatenate(pixels).reshape(-1, *INPUT_SHAPE),
        targets=target,
        example_ids=np.array(names),
        class_names=CLASS_NAMES,
        parts=_roles(split, target),
        input_scale=1 / LARGEST_VALUE,
    )


def read_input(path: Path) -> "np.ndarray":
    """(3, 32, 32) uint8 of any picture: the shorter side resized, the middle cut out."""
    from data_prep.reading import picture

    return picture(path, size=INPUT_SHAPE[1], channels=INPUT_SHAPE[0])


def _roles(split: str, targets: "np.ndarray") -> "np.ndarray | None":
    """(n,) the role of each image, or None where all are pooled."""
    import numpy as np

    if split == "pooled":
        return None
    roles = np.array(["train"] * N_TRAIN + ["test"] * N_TEST, dtype="<U10")
    if split == "train_validation_test":
        for number in range(len(CLASS_NAMES)):
            of_class = np.flatnonzero(targets[:N_TRAIN] == number)
            roles[of_class[-VALIDATION_PER_CLASS:]] = "validation"
    return roles


def _read(batch: Path) -> tuple["np.ndarray", "np.ndarray"]:
    """Pixels (10000, 3072) uint8 and classes (10000,) int64 of a batch whose sum was checked."""
    import numpy as np

    with batch.open("rb") as handle:
        content = _unpickled(handle)
    return content["data"], np.array(content["labels"], dtype=np.int64)


def _unpickled(handle: IO[bytes]) -> dict[str, Any]:
    """A Python 2 pickle of texts, numbers and numpy arrays; whatever else it names is refused."""
    import pickle

    import numpy as np

    known = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    class ArrayUnpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in known:
                raise DataError(f"{handle.name}: names {module}.{name}; refused")
            return known[module, name]

    content: dict[str, Any] = ArrayUnpickler(handle, encoding="latin1").load()
    return content


def _problems(root: Path) -> list[str]:
    """What is wrong with the batches below `root`: missing, or another sum than the published."""
    problems = []
    for name, published in BATCHES_MD5.items():
        batch = root / FOLDER / name
        if not batch.is_file():
            problems.append(f"{batch}: missing")
            continue
        with batch.open("rb") as handle:
            found = hashlib.file_digest(handle, "md5").hexdigest()
        if found != published:
            problems.append(f"{batch}: damaged, md5 is {found}, published is {published}")
    return problems


def _refuse(problems: list[str], *, cure: str = _CURE) -> None:
    if problems:
        raise DataError("\n".join(["cifar10:", *(f"  {text}" for text in problems), f"  {cure}"]))
