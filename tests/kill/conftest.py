"""What disturbed sweeps are compared with."""

from pathlib import Path

import pytest

from tests.kill.sweeps import tables_of, undisturbed_run, user_folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of the sweep where nothing happened to it."""
    folder = user_folder(tmp_path_factory.mktemp("undisturbed"))
    undisturbed_run(folder)
    return tables_of(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's working directory with the benchmark file."""
    return user_folder(tmp_path)
