"""A trained benchmark on digits, shared by the tests that only read it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exported_models import exported, train


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`results/bench` with two trials of three folds, and the better one in `model`."""
    folder = tmp_path_factory.mktemp("digits")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.delenv("BENCH_CACHE", raising=False)
        train(folder)
        exported(folder)
        yield folder
