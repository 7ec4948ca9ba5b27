"""`bench check` finds every mistake of every file, and reads no data."""

from pathlib import Path

from harness.config.read import read_benchmark
from harness.engine.resolve import resolve
from tests.commands import bench as bench_process
from tests.commands import without
from tests.plans import FILE


def test_a_valid_file_is_told_with_its_configurations(bench, user: Path) -> None:
    """With and without `.yaml`, and shipped ones from any directory."""
    (user / "rates.yaml").write_text(FILE)

    done = bench("check", "rates.yaml", "rates", "quickstart")

    assert done.code == 0
    assert done.out.splitlines()[0] == "rates.yaml: valid, 3 configurations"
    assert done.out.splitlines()[2].endswith("benchmarks/quickstart.yaml: valid, 16 configurations")


def test_every_mistake_of_every_file_is_told(bench, user: Path) -> None:
    """Exit 2; a valid file beside them is still called valid."""
    (user / "good.yaml").write_text(FILE)
    (user / "bad.yaml").write_text(FILE.replace("epochs: 2", "epochs: -1").replace("adam", "adan"))

    done = bench("check", "bad.yaml", "good.yaml", "nowhere")

    assert done.code == 2
    assert "bad.yaml: 2 problems" in done.err
    assert "bad.yaml:4: training.epochs" in done.err
    assert "did you mean 'adam'?" in done.err
    assert "nowhere: no benchmark 'nowhere'" in done.err
    assert "good.yaml: valid" in done.out


def test_overrides_are_checked_with_the_file(bench, user: Path) -> None:
    """A searched path takes the value given; a wrong one is a mistake."""
    (user / "rates.yaml").write_text(FILE)

    assert "valid, 1 configuration\n" in bench("check", "rates", "training.lr=0.5").out
    assert bench("check", "rates", "training.lr=-1").code == 2


def test_the_resolved_file_means_the_same(bench, user: Path) -> None:
    """Every default is written out, and the printed file gives the same configurations."""
    (user / "rates.yaml").write_text(FILE)
    done = bench("check", "rates", "--resolved")
    (user / "resolved.yaml").write_text(done.out)
    before, after = (
        [one.config for one in resolve(read_benchmark(user / name))]
        for name in ("rates.yaml", "resolved.yaml")
    )

    assert done.code == 0
    assert "weight_decay: 0.0" in done.out
    assert before == after


def test_models_are_built_and_shown(bench, user: Path) -> None:
    """A linear model of 8 x 8 digits: 64 * 10 weights and 10 biases, 640 multiply-adds."""
    (user / "rates.yaml").write_text(FILE)

    done = bench("check", "rates", "--models")

    assert done.code == 0
    assert "models/linear.py" in done.out
    assert "650 parameters, 640 multiply-adds per example" in done.out
    assert done.out.endswith("rates.yaml: valid, 3 configurations\n")


def test_an_impossible_model_is_a_mistake_of_the_file(bench, user: Path) -> None:
    """Two heads do not divide a width of 33."""
    done = bench("check", "quickstart", "model.width=33", "--models")

    assert done.code == 2
    assert "quickstart.yaml:" in done.err
    assert "models/vit" in done.err


def test_a_file_is_needed(bench) -> None:
    """Usage is exit 2."""
    assert bench("check").code == 2


def test_check_imports_neither_torch_nor_ray(tmp_path: Path) -> None:
    """It works where they, scikit-learn and pandas are not installed."""
    (tmp_path / "rates.yaml").write_text(FILE)
    blocked = without(tmp_path, "torch", "ray", "sklearn", "pandas", "plotly")

    done = bench_process("check", "rates", folder=tmp_path, PYTHONPATH=blocked)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_model_that_breaks_is_told_without_a_traceback(bench, user: Path) -> None:
    """Its file and line, in the model's own words."""
    (user / "models").mkdir()
    (user / "models" / "mine.py").write_text(
        "def build(*, input_shape, num_classes):\n    return {}['layers']\n"
    )
    (user / "rates.yaml").write_text(FILE.replace("{name: linear}", "{name: mine}"))

    done = bench("check", "rates", "--models")

    assert done.code == 2
    assert "models/mine.py:2: KeyError: 'layers'; in a run its trials would fail" in done.err
    assert "Traceback" not in done.err


def test_what_tpe_will_draw_is_counted(bench, user: Path) -> None:
    """As many as are asked for, or as the space holds."""
    (user / "rates.yaml").write_text(FILE)
    settings = ("search.algorithm=tpe", "search.num_samples=2")
    assert "valid, 2 configurations to be drawn by tpe\n" in bench("check", "rates", *settings).out
    said = bench("check", "rates", *settings, "search.num_samples=9").out
    assert "3 configurations to be drawn by tpe, all that the space holds of 9" in said
