"""What holds for every file of the harness, the models and the datasets."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data.catalog import SHIPPED
from tests.commands import surroundings, without

FILES = sorted(
    file
    for folder in ("harness", "models", "data_prep")
    for file in (SHIPPED / folder).rglob("*.py")
)
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 60
LIGHT = ("harness.cli", "harness.spec.read", "harness.planning.resolve", "harness.results.read")


def functions(file: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of every function, decorators and docstring included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield node.name, (node.end_lineno or first) - first + 1


def test_all_files_are_looked_at() -> None:
    """One of each folder."""
    names = {str(file.relative_to(SHIPPED)) for file in FILES}

    assert {"harness/run.py", "harness/tuning/sweep.py", "models/vit.py"} <= names
    assert "data_prep/digits.py" in names


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    """At most 300 lines."""
    lines = {str(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}

    assert {file: n for file, n in lines.items() if n > MOST_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """At most 60 lines."""
    lines = {f"{file}: {name}": n for file in FILES for name, n in functions(file)}

    assert {name: n for name, n in lines.items() if n > MOST_LINES_OF_A_FUNCTION} == {}


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
