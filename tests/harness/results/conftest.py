"""Fixtures of the results tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from folders import Builder


@pytest.fixture
def build() -> Builder:
    return Builder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a benchmark's results lie."""
    return tmp_path / "results" / "digits"
