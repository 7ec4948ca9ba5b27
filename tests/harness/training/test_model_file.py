"""A model's file, imported anew for every model."""

from pathlib import Path

import pytest
import torch

from harness.errors import BenchError
from harness.plugins import catalog
from harness.training.model_file import ModelFile

HEAD = """
import functools, random
import numpy as np
import torch
from torch import nn

def build(*, input_shape: tuple[int, ...], num_classes: int):
    return make(input_shape[0], num_classes)
"""
PLAIN = """
class Mine(nn.Module):
    def __init__(self, n, c, *, width=4, layers=(1, 2)):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c, n))

def make(n, c): return Mine(n, c)
"""
KEEPING = {
    "a cache": "@functools.cache\ndef make(n, c): return nn.Linear(n, c)",
    "a default argument": "def make(n, c, layer=nn.Linear(4, 3)): return layer",
    "a global": (
        "LAYER = None\ndef make(n, c):\n    global LAYER\n"
        "    LAYER = LAYER or nn.Linear(n, c)\n    return LAYER"
    ),
    "a dict": "KEPT = {}\ndef make(n, c): return KEPT.setdefault(n, nn.Linear(n, c))",
    "a class": (
        "class Kept:\n    layer = None\ndef make(n, c):\n"
        "    Kept.layer = Kept.layer or nn.Linear(n, c)\n    return Kept.layer"
    ),
    "a function's attribute": (
        "def make(n, c):\n    make.layer = getattr(make, 'layer', None) or nn.Linear(n, c)\n"
        "    return make.layer"
    ),
    "a closure": (
        "def kept():\n    found = []\n    def make(n, c):\n        found.append(n)\n"
        "        return nn.Linear(n, c)\n    return make\nmake = kept()"
    ),
    "a generator": (
        "DRAW = torch.Generator().manual_seed(0)\ndef make(n, c):\n"
        "    layer = nn.Linear(n, c)\n    nn.init.normal_(layer.weight, generator=DRAW)\n"
        "    return layer"
    ),
    "a counter": "N = [0]\ndef make(n, c):\n    N[0] += 1\n    return nn.Linear(n, c)",
}
DRAWING = """
NUMBERS = (random.random(), float(np.random.rand()), float(torch.rand(())))
def make(n, c): return nn.Linear(n, c)
"""


@pytest.fixture
def file(tmp_path: Path):
    """Writes a model and gives its file."""

    def write(text: str) -> ModelFile:
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / "mine.py").write_text(HEAD + text)
        return ModelFile(catalog.find("model", "mine", folder=tmp_path))

    return write


def built(file: ModelFile) -> torch.nn.Linear:
    torch.manual_seed(0)
    return file.build(input_shape=(4,), num_classes=3)


@pytest.mark.parametrize("text", KEEPING.values(), ids=KEEPING)
def test_what_a_file_keeps_reaches_no_other_model(file, text: str) -> None:
    """The second model is as the first was, though that one has been trained."""
    mine = file(text)
    first = built(mine)
    as_built = first.weight.detach().clone()
    with torch.no_grad():
        first.weight.add_(1.0)
    second = built(mine)

    assert second is not first
    assert torch.equal(second.weight, as_built)


@pytest.mark.parametrize("text", KEEPING.values(), ids=KEEPING)
def test_what_a_file_keeps_is_named(file, text: str) -> None:
    """Its dotted name, once the model has been trained."""
    mine = file(text)
    with torch.no_grad():
        built(mine).weight.add_(1.0)

    assert len(mine.changed_names()) >= 1
    assert set(mine.changed_names()) <= {"make", "LAYER", "KEPT", "Kept.layer", "DRAW", "N"}


def test_a_plain_file_keeps_nothing(file) -> None:
    """However often it builds."""
    mine = file(PLAIN)
    built(mine)
    built(mine)

    assert mine.changed_names() == ()


def test_random_numbers_of_an_import_follow_from_nothing(file) -> None:
    """Whatever was drawn before; and what is drawn afterwards does not depend on the import."""
    mine = file(DRAWING)
    torch.manual_seed(1)
    first = mine.build(input_shape=(4,), num_classes=3).weight.detach().clone()
    numbers = mine._module.NUMBERS
    torch.rand(7)
    mine.build(input_shape=(4,), num_classes=3)
    torch.manual_seed(1)

    assert numbers == mine._module.NUMBERS
    assert torch.equal(torch.nn.Linear(4, 3).weight, first)


def test_a_file_that_changes_the_process_is_imported_once(file, monkeypatch) -> None:
    """It would change it once more with every model."""
    monkeypatch.setattr(torch, "relu", torch.relu)  # puts it back after the test
    mine = file(
        "def twice(inner):\n    return lambda x: 2 * inner(x)\ntorch.relu = twice(torch.relu)\n"
        + PLAIN
    )
    built(mine)
    built(mine)

    assert torch.relu(torch.ones(())) == 2


def test_a_file_that_can_only_be_imported_once_is(file) -> None:
    """As one that registers something in a place of which there is one."""
    mine = file(
        "import sys\nif hasattr(sys, '_bench_test'): raise RuntimeError('again')\n"
        "sys._bench_test = 1\n" + PLAIN
    )
    try:
        first, second = built(mine), built(mine)
    finally:
        del __import__("sys")._bench_test

    assert torch.equal(first.weight, second.weight)


def test_a_file_that_can_not_be_imported_says_so(file) -> None:
    """With its error, each time."""
    mine = file("raise RuntimeError('no')\n")
    for _ in range(2):
        with pytest.raises(BenchError, match="RuntimeError: no"):
            built(mine)


def test_siblings_are_imported_anew_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shared helper keeps would reach other models as well."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "shared_part.py").write_text(HEAD + KEEPING["a cache"])
    (folder / "mine.py").write_text(
        "from models.shared_part import make\n"
        "def build(*, input_shape: tuple[int, ...], num_classes: int):\n"
        "    return make(input_shape[0], num_classes)\n"
    )
    import models

    monkeypatch.setattr(models, "__path__", [str(folder), *models.__path__])
    mine = ModelFile(catalog.find("model", "mine", folder=tmp_path))

    assert built(mine) is not built(mine)


def test_attention_is_that_of_the_import_that_built_the_model(file) -> None:
    """Where it asks for the class of a layer, an earlier import's class is another one."""
    mine = file(
        "class Mine(nn.Linear): pass\ndef make(n, c): return Mine(n, c)\n"
        "def attention(model, inputs): return isinstance(model, Mine)\n"
    )
    first, second = built(mine), built(mine)

    assert mine.attention is not None
    assert mine.attention(first, None)
    assert mine.attention(second, None)
    assert file(PLAIN).attention is None
