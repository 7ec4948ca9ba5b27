"""What the documents tell a reader to type works."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import COMMANDS, bench
from harness.config.read import find_benchmark
from harness.engine.checks import read_checked
from harness.engine.resolve import resolve
from harness.plugins.catalog import SHIPPED, SHIPPED_BENCHMARKS

NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/performance.md",
    "docs/own_data.md",
    "docs/export.md",
    "docs/notebook.md",
    "docs/alternatives.md",
    "docs/tutorial.md",
    "docs/search.md",
    "docs/cluster.md",
    "docs/failures.md",
    "docs/troubleshooting.md",
    "docs/python_api.md",
)
DOCUMENTS = [SHIPPED / name for name in NAMES]
LINE = re.compile(r"^(?:BENCH_DATA=\S+ )?(bench [a-z].*?)(?:\s+#.*)?$", re.MULTILINE)
SHIPPED_NAMES = {file.stem for file in SHIPPED_BENCHMARKS.glob("*.yaml")}

documents = pytest.mark.skipif(not DOCUMENTS[0].exists(), reason="documents are not in the wheel")


def commands() -> list[list[str]]:
    blocks = (
        block
        for document in DOCUMENTS
        if document.exists()
        for block in re.findall(r"```\w*\n(.*?)```", document.read_text("utf-8"), re.DOTALL)
    )
    return [shlex.split(line) for block in blocks for line in LINE.findall(block)]


@documents
def test_the_documents_name_commands_that_exist() -> None:
    """And enough of them that this test sees them."""
    named = {words[1] for words in commands()}

    assert {"run", "check", "report", "compare", "new", "list"} <= named
    assert named <= set(COMMANDS)


@documents
@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_commands_flags_exist(words: list[str]) -> None:
    """Every option that a document uses is in the command's help."""
    told = CliRunner().invoke(bench, [words[1], "--help"]).output

    for flag in (word for word in words if word.startswith("--")):
        assert flag in told


@documents
@pytest.mark.parametrize(
    "words",
    [one for one in commands() if one[1] in ("run", "check") and one[2] in SHIPPED_NAMES],
    ids=" ".join,
)
def test_a_shipped_benchmark_takes_the_overrides_of_the_documents(
    words: list[str], tmp_path: Path
) -> None:
    """Each line reads and resolves."""
    overrides = [word for word in words[3:] if "=" in word]

    spec = read_checked(find_benchmark(words[2], shipped=SHIPPED_BENCHMARKS), overrides)

    assert resolve(spec, folder=tmp_path)
