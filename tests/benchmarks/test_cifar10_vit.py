"""The vision transformers of report 004: its protocol, its numbers, and the controls it lacks."""

from pathlib import Path

import pytest

import benchmarks
from harness.config.expand import configurations
from harness.config.read import read_benchmark
from harness.engine.model_checks import check_models, distinct_models
from harness.engine.resolve import resolve
from harness.errors import SpecError

FOLDER = Path(benchmarks.__file__).parent
REPEATS = ("cifar10_vit_patches", "cifar10_vit_heads", "cifar10_vit_cls")
ALL = (*REPEATS, "cifar10_vit_matched")


def spec_of(name: str, *overrides: str):
    return read_benchmark(FOLDER / f"{name}.yaml", overrides)


def points(name: str) -> list[dict]:
    return [one.params for one in configurations(spec_of(name))]


@pytest.mark.parametrize("name", ALL)
def test_the_protocol_of_report_004(name):
    """Batches of 300, 25 epochs, Adam; pixels from -1 to 1; validation cut from the train part."""
    spec = spec_of(name)
    for one in configurations(spec):
        training, dataset = one.sections["training"], one.sections["dataset"]
        assert (training["batch_size"], training["epochs"]) == (300, 25)
        assert training["optimizer"] == "adam"
        assert (dataset["split"], dataset["normalize"]) == ("train_validation_test", "unit")
        assert training["lr"] == 0.005 or name == "cifar10_vit_matched"
    assert spec.cross_validation.strategy == "official"
    assert spec.repeats == 3


def test_patches_as_published_are_as_wide_as_their_pixels():
    """3 * patch_size^2, each size with and without overlap by half."""
    rows = [tuple(point.values()) for point in points("cifar10_vit_patches")]
    assert all(width == 3 * size**2 for size, _, width in rows)
    assert {(size, size // stride) for size, stride, _ in rows} == {
        (size, parts) for size in (4, 8, 16) for parts in (1, 2)
    }


def test_heads_divide_the_width():
    """The report's four at 48, ten more at 120; everything else is equal within a width."""
    rows = [tuple(point.values()) for point in points("cifar10_vit_heads")]
    assert [heads for width, heads in rows if width == 48] == [4, 6, 8, 12]
    assert [heads for width, heads in rows if width == 120] == [4, 6, 8, 10, 12]


def test_ten_heads_at_width_48_are_refused_before_anything_starts():
    """The configuration that the report names and that can't have run."""
    spec = spec_of("cifar10_vit_heads", "search.space.model.width,model.num_heads=[[48,4],[48,10]]")
    with pytest.raises(SpecError) as error:
        check_models(spec, distinct_models(resolve(spec)))
    (problem,) = error.value.problems
    assert "num_heads 10 does not divide width 48" in str(problem)
    assert "1, 2, 3, 4, 6, 8, 12, 16, 24, 48" in str(problem)


def test_cls_of_every_layer_and_a_blind_control():
    """Ten layers with CLS in the encoder; after it there is no layer to choose."""
    rows = points("cifar10_vit_cls")
    assert [point.get("model.cls_layer") for point in rows] == [*range(1, 11), None]
    assert rows[-1] == {"model.cls_position": "after_encoder"}


def test_cells_are_matched_in_width_and_each_tries_three_rates():
    """Patches meet at widths 48 and 192, heads at 120; no cell differs in its choice of lr."""
    cells: dict[tuple, set] = {}
    for one in configurations(spec_of("cifar10_vit_matched")):
        model = one.sections["model"]
        cell = (one.variant, model["patch_size"], model["num_heads"], model["width"])
        cells.setdefault(cell, set()).add(one.params["training.lr"])
    assert set(cells) == {
        *(("patches", size, 4, width) for size in (4, 8, 16) for width in (48, 192)),
        *(("heads", 4, heads, 120) for heads in (4, 6, 8, 10, 12)),
    }
    assert all(rates == {0.0003, 0.001, 0.005} for rates in cells.values())


def test_final_test_accuracies_of_report_004():
    """The last epoch's, not the best; sub-experiment I is experiment 1 printed again."""
    printed = {
        row.source.removeprefix("report 004, "): row.numbers["test_accuracy"]
        for name in REPEATS
        for row in spec_of(name).published
    }
    assert printed == {
        "experiment 1": 0.5788,
        "experiment 2, patch 8": 0.2609,
        "experiment 2, patch 16": 0.2835,
        "experiment 3, 6 heads": 0.5918,
        "experiment 3, 8 heads": 0.5944,
        "experiment 3, headed 10 heads": 0.6089,
        "experiment 4, sub-experiment I": 0.5788,
        "experiment 4, sub-experiment II": 0.1004,
    }


def test_a_constant_answer_is_printed_a_little_above_chance():
    """10 % and a last batch of 16 with 3 hits: the mean over 157 batches is 0.1004 (flaw 6)."""
    mean_over_batches = (156 * (1000 - 3) / (156 * 64) + 3 / 16) / 157
    (row,) = [r for r in spec_of("cifar10_vit_cls").published if 11 in r.flaws]
    assert round(mean_over_batches, 4) == row.numbers["test_accuracy"]
    assert {3, 6, 11} <= set(row.flaws)
