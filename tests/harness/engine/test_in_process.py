"""A run without Ray: Ctrl-C and breakpoints reach the trial.

That its rows are those of a run with Ray is shown in tests/test_end_to_end.py.
"""

from pathlib import Path

import pandas as pd
import pytest

from harness.cli import main
from harness.engine import prepare
from harness.engine.options import RunOptions
from harness.engine.runner import RunOutcome, run_benchmark
from harness.errors import BenchError
from tests.commands import bench

FILE = """\
question: Are the rows the same without Ray?
dataset: {name: digits, limit: 200}
model: {name: mine}
training: {epochs: 2, batch_size: 16, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 3}
search: {space: {model.mode: [calm, MODES]}}
objective: {metric: accuracy}
"""
MODEL = '''"""Calm, or otherwise."""

from math import prod

from torch import nn


class Mine(nn.Module):
    def __init__(self, size, num_classes, mode):
        super().__init__()
        self.inner, self.dropout, self.mode = nn.Linear(size, num_classes), nn.Dropout(0.2), mode
        self.calls = 0

    def forward(self, inputs):
        if inputs.device.type != "meta" and self.mode == "interrupted" and self.training:
            raise KeyboardInterrupt
        if inputs.device.type != "meta" and self.mode == "loud":
            print("a model speaks")
        return self.inner(self.dropout(inputs.flatten(1)))


def build(*, input_shape: tuple[int, ...], num_classes: int, mode: str = "calm"):
    """Logits."""
    return Mine(prod(input_shape), num_classes, mode)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model of its own."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(modes: str, *overrides: str, **options: object) -> RunOutcome:
    """Run a file that searches these modes, in process."""
    Path("mine.yaml").write_text(FILE.replace("MODES", modes))
    request = RunOptions("mine.yaml", overrides=overrides, in_process=True, **options)
    return run_benchmark(request, lambda event: None)


def statuses() -> dict[str, str]:
    """The searched mode of each trial and how it ended."""
    rows = pd.read_parquet(Path("results", "mine", "trials"))
    return dict(zip(rows["params.model.mode"], rows["status"], strict=True))


def test_no_ray_is_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(prepare, "ON_RAY")

    assert run("quiet").exit_code == 0


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(folder: Path) -> None:
    outcome = run("interrupted")

    assert outcome.exit_code == 130
    assert statuses() == {"calm": "complete", "interrupted": "interrupted"}
    assert [trial.status for trial in run("quiet").plan.trials] == ["complete", None]


def test_what_a_model_prints_is_shown_and_stdout_stays_clean(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A breakpoint asks its question there."""
    run("loud")
    out, err = capsys.readouterr()

    assert out == ""
    assert "a model speaks" in err


def test_leaving_the_debugger_once_ends_the_run_in_one_sentence(folder: Path) -> None:
    """The first breakpoint that a model meets lies in a probe, which ignores other errors."""
    (folder / "models" / "mine.py").write_text(
        MODEL.replace("raise KeyboardInterrupt", "breakpoint()")
    )
    (folder / "mine.yaml").write_text(FILE.replace("MODES", "interrupted"))
    ended = bench("run", "mine", "--in-process", "--quiet", folder=folder, typed="q\n")

    assert ended.returncode == 130
    assert ended.stderr.count("(Pdb)") == 1
    assert "Traceback" not in ended.stderr
    said = "interrupted: finished trials are kept, the same command goes on"
    assert (ended.stdout + ended.stderr).count(said) == 1


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("search.algorithm=tpe", "search.num_samples=3"), "search.algorithm: tpe needs"),
        (("search.scheduler=asha",), "search.scheduler needs"),
        (("tracking=[tensorboard]",), "tracking: tensorboard needs"),
        (
            ("search.scheduler=asha", "tracking=[tensorboard]"),
            "search.scheduler and tracking: tensorboard need",
        ),
    ],
)
def test_what_needs_ray_is_refused_in_one_sentence(
    folder: Path, overrides: tuple[str, ...], named: str
) -> None:
    with pytest.raises(BenchError, match=f"--in-process runs without Ray, which {named}$"):
        run("quiet", *overrides)

    assert not Path("results", "mine", "trials").exists()


def test_several_jobs_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """One trial at a time is what in process means."""
    with pytest.raises(SystemExit) as ended:
        main(["run", "quickstart", "--in-process", "--jobs", "2"])

    assert ended.value.code == 2
    assert "--in-process trains one trial at a time" in capsys.readouterr().err
