"""The tutorial as a newcomer follows it: its files are written, its commands run, in its order."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.plugins.catalog import SHIPPED
from tests.commands import bench, bench_here, surroundings

TUTORIAL = SHIPPED / "docs" / "tutorial.md"
BLOCK = re.compile(r"```(bash|python|yaml)\n(.*?)```", re.DOTALL)

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not TUTORIAL.exists(), reason="documents are not in the wheel"),
]


@dataclass(frozen=True)
class Block:
    """One fenced block. file: where it is to be written, named by its first comment."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        named = re.match(r"# (\S+\.(?:py|yaml))\n", self.text)
        return named[1] if named else None


def blocks() -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))]


def run_commands(block: Block, folder: Path) -> list[str]:
    """Run each line; return what ended with another code than the one it names (else 0).

    The first sweep and the trial that is repeated train through Ray as typed. The other commands
    run in this process, and sweeps train there, which gives the same rows.
    """
    wrong = []
    for line in block.text.splitlines():
        command, _, comment = line.partition("#")
        expected = int(comment.split()[-1]) if comment.strip().startswith("exit") else 0
        words = shlex.split(command)[1:]
        with_ray = words[0] == "rerun" or not (folder / "results").exists()
        if words[0] == "run" and "--dry-run" not in words and not with_ray:
            words.append("--in-process")
        done = (bench if with_ray else bench_here)(*words, folder=folder)
        if done.returncode != expected:
            wrong.append(f"{line}: {done.returncode}\n{done.stderr}")
    return wrong


def run_python(block: Block, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=folder,
        env=surroundings(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    return [done.stderr] if done.returncode else []


def test_every_file_and_command_of_the_tutorial_works_in_its_order(tmp_path: Path) -> None:
    found = blocks()
    assert len([one for one in found if one.language == "bash"]) >= 8
    for block in found:
        if block.file:
            (tmp_path / block.file).parent.mkdir(exist_ok=True)
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "bash":
            assert run_commands(block, tmp_path) == []
        else:
            assert run_python(block, tmp_path) == []
    assert (tmp_path / "results" / "my_question" / "report.html").exists()
