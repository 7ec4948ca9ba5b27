"""What `make test` leaves to `make test-all`, said aloud."""

import sys
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all`: also what is slow or needs root."""
    parser.addoption("--all", action="store_true", help="also the tests of `make test-all`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skips what is marked `all`, unless it was asked for."""
    if config.getoption("--all"):
        return
    for item in items:
        if item.get_closest_marker("all"):
            item.add_marker(pytest.mark.skip(reason="slow or needs root: make test-all"))


@pytest.fixture(autouse=True)
def _no_trial_outlives_its_test() -> Iterator[None]:
    """A trial that a test leaves unfinished must not put back its own state in a later one."""
    yield
    isolation = sys.modules.get("harness.training.isolation")
    if isolation is not None:
        isolation.forget_running_trial()
