"""The notebook of the documents runs from top to bottom in an empty folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.plugins.catalog import SHIPPED
from tests.commands import surroundings

NOTEBOOK = SHIPPED / "docs" / "notebook.ipynb"

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(not NOTEBOOK.exists(), reason="documents are not in the wheel"),
]


def test_the_cells_run_in_their_order(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        cwd=tmp_path,
        env=surroundings(tmp_path),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "quickstart" / "trials").is_dir()


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
