"""`bench list` shows what there is, the user's own marked."""

from pathlib import Path

import pytest

from harness.metrics import METRICS
from tests.commands import bench as bench_process
from tests.commands import without
from tests.plans import FILE

MODEL = '"""My own net.\n\nMore of it."""\n\ndef build(*, input_shape, num_classes): ...\n'


def rows(text: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in text.splitlines()]


def test_everything_is_listed_under_its_kind(bench) -> None:
    """Four kinds, each with what the harness ships."""
    done = bench("list")
    words = [line[0] for line in rows(done.out)]

    assert done.code == 0
    for name in ("benchmarks", "models", "datasets", "metrics", "quickstart", "vit", "digits"):
        assert name in words


def test_one_kind_is_listed_without_a_heading(bench) -> None:
    """Every metric with its direction."""
    listed = {line[0]: line[1] for line in rows(bench("list", "metrics").out) if len(line) > 2}

    assert set(METRICS) <= set(listed)
    assert (listed["accuracy"], listed["log_loss"]) == ("max", "min")
    assert bench("list", "metrics").out.split()[0] != "metrics"


def test_what_is_the_user_s_own_is_marked(bench, user: Path) -> None:
    """Models by the first line of their docstring, benchmarks by their question."""
    for folder in ("models", "benchmarks"):
        (user / folder).mkdir()
    (user / "models" / "mine.py").write_text(MODEL)
    (user / "benchmarks" / "rates.yaml").write_text(FILE)

    assert ["mine", "yours", "My", "own", "net."] in rows(bench("list", "models").out)
    assert ["rates", "yours", "Which", "rate?"] in rows(bench("list", "benchmarks").out)


def test_a_model_that_hides_a_shipped_one_is_listed_once(bench, user: Path) -> None:
    """As the user's."""
    (user / "models").mkdir()
    (user / "models" / "linear.py").write_text(MODEL)

    assert [line[:2] for line in rows(bench("list", "models").out) if line[0] == "linear"] == [
        ["linear", "yours"]
    ]


def test_what_hides_a_shipped_one_says_so(bench, user: Path) -> None:
    """Benchmarks too are listed once."""
    bench("new", "model", "linear")
    bench("new", "benchmark", "quickstart")
    models, benchmarks = (bench("list", kind).out for kind in ("models", "benchmarks"))

    assert benchmarks.count("quickstart") == 1
    for listed in (models, benchmarks):
        assert listed.count("(in place of the shipped one)") == 1


def test_a_broken_file_is_listed_with_what_is_wrong(bench, user: Path) -> None:
    """It hides nothing else."""
    for folder in ("models", "benchmarks"):
        (user / folder).mkdir()
    (user / "models" / "mine.py").write_text("def build(:")
    (user / "benchmarks" / "bad.yaml").write_text("question: [")
    done = bench("list")

    assert done.code == 0
    assert ["mine", "yours", "can't", "be", "read:", "line", "1:"] in [
        r[:7] for r in rows(done.out)
    ]
    assert ["bad", "yours", "1", "problem:", "bench", "check", "bad"] in rows(done.out)


def test_an_unknown_kind_is_refused(bench) -> None:
    """With those that there are."""
    done = bench("list", "model")

    assert done.code == 2
    assert "datasets" in done.err


@pytest.mark.parametrize("kind", ["benchmarks", "datasets"])
def test_list_imports_neither_torch_nor_ray(kind: str, tmp_path: Path) -> None:
    """It works where they and pandas are not installed."""
    blocked = without(tmp_path, "torch", "ray", "pandas", "plotly")

    done = bench_process("list", kind, folder=tmp_path, PYTHONPATH=blocked)

    assert (done.returncode, done.stderr) == (0, "")
