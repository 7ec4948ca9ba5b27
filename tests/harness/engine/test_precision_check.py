"""A precision that this machine does not have is refused before anything starts."""

import pytest

from harness.config.read import parse_benchmark
from harness.engine.precision_check import check_precision
from harness.engine.resolve import resolve
from harness.errors import SpecError

FILE = """\
question: Does it help?
dataset: {name: digits}
model: {name: linear}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified}
objective: {metric: accuracy}
"""
SEARCHED = FILE + "search: {space: {training.precision: [float32, tf32]}}\n"


def check(text: str, *overrides: str, gpus: bool = True) -> None:
    spec = parse_benchmark(text, file="a.yaml", overrides=overrides)
    check_precision(spec, resolve(spec), gpus=gpus)


@pytest.mark.parametrize("precision", ["null", "float32", "bf16"])
def test_other_precisions_need_no_graphics_card(precision: str) -> None:
    """Nothing is raised."""
    check(FILE, f"training.precision={precision}", gpus=False)


def test_tf32_is_refused_where_trials_get_no_card() -> None:
    """At the line of the space that asks for it."""
    with pytest.raises(SpecError, match=r"a.yaml:7.*tf32 needs a GPU: a trial has one"):
        check(SEARCHED)
    with pytest.raises(SpecError, match="this machine has none; found tf32; allowed: float32"):
        check(SEARCHED, "resources.gpu=0.5", gpus=False)
    check(SEARCHED, "resources.gpu=0.5")
