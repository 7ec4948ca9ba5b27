"""The random searches of report 002: its own draws beside ours, and what it printed."""

from math import e, log
from pathlib import Path

import pytest

import benchmarks
from harness.config.expand import configurations
from harness.config.read import read_benchmark

FOLDER = Path(benchmarks.__file__).parent
NAMES = ("esc50_cnn_random", "esc50_transformer_random")
every_search = pytest.mark.parametrize("name", NAMES)


def spec_of(name: str):
    return read_benchmark(FOLDER / f"{name}.yaml")


def drawn(name: str, variant: str) -> list[dict]:
    """The points of one variant."""
    return [one.params for one in configurations(spec_of(name)) if one.variant == variant]


@every_search
def test_the_published_draws_are_those_of_the_report(name):
    """Each printed row is one configuration of the variant `published`, and no other is."""
    rows = [dict(row.where) for row in spec_of(name).published]
    points = drawn(name, "published")
    assert len(rows) == len(points) == {"esc50_cnn_random": 2, "esc50_transformer_random": 6}[name]
    assert all(row in points for row in rows)


@every_search
def test_published_losses_are_those_of_a_softmax_taken_twice(name):
    """Sure answers then cost log(e + 9) - accuracy, near every printed train loss.

    The file asks for the same output, and every row carries flaw 8.
    """
    spec = spec_of(name)
    assert spec.model.options["output"] == "softmax"
    for row in spec.published:
        assert 8 in row.flaws
        expected = log(e + 9) - row.numbers["train_accuracy"]
        assert row.numbers["train_loss"] == pytest.approx(expected, abs=0.07)


def test_every_head_count_gets_the_same_draws():
    """The other hyper-parameters of draw i do not depend on the heads, unlike the report's."""
    searches = [drawn("esc50_transformer_random", f"heads_{heads}") for heads in (1, 2, 4)]
    assert [{point["model.num_heads"] for point in points} for points in searches] == [
        {1},
        {2},
        {4},
    ]
    others = [[{**point, "model.num_heads": 0} for point in points] for points in searches]
    assert others[0] == others[1] == others[2]
    assert {point["training.optimizer"] for point in searches[0]} == {"adam", "sgd"}


def test_learning_rates_are_drawn_from_the_published_interval():
    """Uniform over (0, 0.01), the lower end moved to the smallest rate that is allowed here."""
    rates = [point["training.lr"] for point in drawn("esc50_cnn_random", "search")]
    assert len(set(rates)) == 12
    assert all(1e-5 <= rate <= 0.01 for rate in rates)
    assert min(rates) < 0.0025 < 0.0075 < max(rates)


def test_numbers_of_report_002():
    """Validation accuracy and the test accuracy that was the best of four, as printed."""
    printed = {
        row.source.rsplit(" ", 1)[-1]: (row.numbers["val_accuracy"], row.numbers["test_accuracy"])
        for name in NAMES
        for row in spec_of(name).published
    }
    assert printed == {
        "polished-sweep-2": (0.42, 0.48),
        "twilight-sweep1": (0.122, 0.14),
        "bright-sweep-1": (0.54, 0.56),
        "denim-sweep-2": (0.52, 0.53),
        "quiet-sweep-1": (0.23, 0.3),
        "mild-sweep-2": (0.11, 0.15),
        "deft-sweep-1": (0.25, 0.27),
        "devout-sweep-2": (0.28, 0.33),
    }
    assert all(3 in row.flaws for name in NAMES for row in spec_of(name).published)
