"""A benchmark file to change, and ways to read it."""

import pytest

from harness.config.read import parse_benchmark
from harness.errors import SpecError

FILE = """\
question: Do more attention heads help?
dataset:
  name: esc50
  subset: esc10
model:
  name: conv1d_transformer
training:
  epochs: 100
  batch_size: 32
  optimizer: adam
  lr: 0.001
cross_validation:
  strategy: predefined
  test_fold: 1
search:
  space:
    model.num_heads: [1, 2, 4]
    model.hidden_dim: [512, 1024]
objective: {metric: accuracy}
published:
  - where: {model.num_heads: 4}
    test_accuracy: 0.5875
    source: report 001
"""

VARIANTS = """\
question: Which model is best?
dataset: {name: digits}
training: {epochs: 5, batch_size: 16, optimizer: adam}
cross_validation: {strategy: stratified}
search:
  space:
    training.lr: [0.1, 0.01]
objective: {metric: accuracy}
variants:
  plain:
    model: {name: linear}
  attention:
    model: {name: vit}
    training: {epochs: 9}
    search:
      space:
        model.num_heads: [1, 2]
      exclude:
        - {model.num_heads: 2, training.lr: 0.1}
"""


def read(text=FILE, *overrides):
    """The benchmark in a text."""
    return parse_benchmark(text, file="heads.yaml", overrides=overrides)


def problems_of(text, *overrides):
    """The problems of a text, as printed."""
    with pytest.raises(SpecError) as raised:
        read(text, *overrides)
    return [str(problem) for problem in raised.value.problems]


def changed(old, new):
    """The file with one piece replaced."""
    assert FILE.count(old) == 1
    return FILE.replace(old, new)


def searching(space, *removed):
    """The file with another space, and lines of `training` left out for it."""
    text = FILE
    for line in removed:
        text = text.replace(f"  {line}\n", "")
    old = "    model.num_heads: [1, 2, 4]\n    model.hidden_dim: [512, 1024]\n"
    body = "".join(f"    {line}\n" for line in space.splitlines())
    return text.replace(old, body).split("published:")[0]
