"""Who imports torch's compiler, in a process of its own."""

import subprocess
import sys

import pytest

COUNT = """
import sys
from harness.training.model_summary import count
from models.linear import build
print(count(build, arguments={}, input_shape=(1, 8, 8), num_classes=10).mult_adds)
"""
KEEP_OUT = """
import sys
import torch
from harness.training.dynamo_guard import without_compiler
"""


def said(program: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_counting_a_model_does_not_import_it() -> None:
    """64 numbers to 10 classes are 640 multiply-adds."""
    assert said(COUNT + "print('torch._dynamo' in sys.modules)").split() == ["640", "False"]


@pytest.mark.parametrize(
    "program",
    [
        "with without_compiler(): print(torch._dynamo.is_compiling())",
        "with without_compiler():\n from torch._dynamo import config\n print(config.disable)",
        "with without_compiler():\n import torch._dynamo.config as c\n print(c.disable)",
        "with without_compiler(): pass\nprint(torch._dynamo.is_compiling())",
    ],
    ids=["attribute", "from", "module", "afterwards"],
)
def test_who_asks_for_it_gets_it(program: str) -> None:
    """The compiler itself, whatever the form of the import."""
    answer = said(f"{KEEP_OUT}\n{program}\nprint(hasattr(torch._dynamo, 'optimize'))")
    assert answer.split() == ["False", "True"]
