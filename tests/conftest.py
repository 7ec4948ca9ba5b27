"""What `make test` leaves to `make test-all`, said aloud, and the order of the files."""

import sys
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all`: also what is slow or needs root."""
    parser.addoption("--all", action="store_true", help="also the tests of `make test-all`")


def pytest_configure(config: pytest.Config) -> None:
    """Keep xdist from sorting the files by how many tests they have: the slowest have one."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked `all`, unless it was asked for; put the files with slow tests first.

    Two files run at a time, so a slow one that came last would run alone.
    """
    if not config.getoption("--all"):
        for item in items:
            if item.get_closest_marker("all"):
                item.add_marker(pytest.mark.skip(reason="slow or needs root: make test-all"))
    slow = {item.path for item in items if _takes_long(item)}
    items.sort(key=lambda item: item.path not in slow)


def _takes_long(item: pytest.Item) -> bool:
    """Whether the test runs and is marked as slow or as one that starts Ray."""
    marks = {mark.name for mark in item.iter_markers()}
    return bool(marks & {"ray", "slow"}) and "skip" not in marks


@pytest.fixture(autouse=True)
def _no_trial_outlives_its_test() -> Iterator[None]:
    """A trial that a test leaves unfinished must not put back its own state in a later one."""
    yield
    isolation = sys.modules.get("harness.training.trial_leaks")
    if isolation is not None:
        isolation.forget_running_trial()
