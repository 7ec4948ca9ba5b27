"""What holds for every file of the harness, the models and the datasets."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.plugins.catalog import SHIPPED
from tests.commands import surroundings, without

FILES = sorted(
    file
    for folder in ("harness", "models", "data_prep")
    for file in (SHIPPED / folder).rglob("*.py")
)
LIGHT = (
    "harness.cli",
    "harness.config.read",
    "harness.engine.resolve",
    "harness.results.table_reader",
)


def test_all_files_are_looked_at() -> None:
    """One of each folder."""
    names = {str(file.relative_to(SHIPPED)) for file in FILES}

    assert {"harness/engine/runner.py", "harness/tune/sweep.py", "models/vit.py"} <= names
    assert "data_prep/digits.py" in names


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_nothing_heavy(module: str, tmp_path: Path) -> None:
    """Also not by way of others; `lint-imports` sees only what is written at the top."""
    blocked = without(tmp_path, "torch", "ray", "sklearn", "plotly", "optuna", "scipy")
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"],
        cwd=SHIPPED,
        env=surroundings(tmp_path, PYTHONPATH=blocked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
