"""Who imports torch's compiler, in processes that have not."""

import subprocess
import sys

import pytest

COUNT = """
from harness.training.model_summary import count
from models.linear import build
print(count(build, arguments={}, input_shape=(1, 8, 8), num_classes=10).mult_adds, end=" ")
print("torch._dynamo" in sys.modules)
"""
ASKED = {
    "attribute": "with without_compiler(): answer = torch._dynamo.is_compiling()",
    "from": "with without_compiler():\n from torch._dynamo import config\n answer = config.disable",
    "module": "with without_compiler():\n import torch._dynamo.config as c\n answer = c.disable",
    "afterwards": "with without_compiler(): pass\nanswer = torch._dynamo.is_compiling()",
}
EACH = """
import os, sys
import torch
from harness.training.torch_internals import without_compiler
for program in sys.argv[1:]:
    if os.fork() == 0:  # a process of its own for each, torch imported once
        exec(program)
        sys.stdout.flush()
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """What each program prints, by its name."""
    words = "\nprint(answer, hasattr(torch._dynamo, 'optimize'))"
    programs = {"count": COUNT} | {name: program + words for name, program in ASKED.items()}
    done = subprocess.run(
        [sys.executable, "-c", EACH, *programs.values()], check=True, capture_output=True, text=True
    )
    return dict(zip(programs, done.stdout.splitlines(), strict=True))


def test_counting_a_model_does_not_import_it(answers: dict[str, str]) -> None:
    """64 numbers to 10 classes are 640 multiply-adds."""
    assert answers["count"] == "640 False"


@pytest.mark.parametrize("form", ASKED)
def test_who_asks_for_it_gets_it(form: str, answers: dict[str, str]) -> None:
    """The compiler itself, whatever the form of the import."""
    assert answers[form] == "False True"
