"""What the side-by-side measurement hands to its competitors, and how it reckons."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness.plugins.catalog import SHIPPED

FOLDER = SHIPPED / "benchmarks" / "performance" / "side_by_side"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the scripts are not in the wheel")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The driver, imported as it is when it runs as a script."""
    import importlib

    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("run", "workload"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("run")


def test_competitors_get_every_configuration_and_the_folds_of_the_benchmark(
    scripts: ModuleType, tmp_path: Path
) -> None:
    """quickstart: 16 configurations, 1,797 digits in four parts; each part is test once."""
    scripts.export(scripts.WORKLOADS["quickstart"], tmp_path, data=None)

    described = json.loads((tmp_path / "workload.json").read_text())
    with np.load(tmp_path / "arrays.npz") as arrays:
        tests = np.concatenate([arrays[f"test{fold}"] for fold in range(4)])
        fold = np.concatenate([arrays[f"{role}0"] for role in ("train", "validation", "test")])
        assert sorted(tests) == sorted(fold) == list(range(1797))
        assert arrays["inputs"].dtype == np.float32 and arrays["inputs"].max() <= 1
    assert len(described["configurations"]) == 16
    assert {one["training"]["epochs"] for one in described["configurations"]} == {12}


def test_a_ratio_is_of_one_round(scripts: ModuleType) -> None:
    """A machine half as fast in the second round slows both; the ratio stays 0.5."""
    quality = {"best_validation": 0.9, "mean_validation": 0.8}
    rounds = [
        {"bench": {"wall_s": 10.0, **quality}, "process_pool": {"wall_s": 20.0, **quality}},
        {"bench": {"wall_s": 20.0, **quality}, "process_pool": {"wall_s": 40.0, **quality}},
    ]

    assert scripts.ratios(rounds, "process_pool") == [0.5, 0.5]
    assert "| 30.0 | 0.50 | 0.50 to 0.50 | 0.900, 0.800 |" in scripts.table(
        rounds, ["process_pool"]
    )


def test_a_run_that_left_trials_out_is_no_measurement(scripts: ModuleType) -> None:
    """15 of 16 trials would look fast."""
    with pytest.raises(RuntimeError, match="15 of 16"):
        scripts.bench_quality({"trials": 16, "complete": 15, "ranking": []})
