"""What a run does about its report: a page where it trained, else where one is, or how."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli import auto_report
from harness.cli.auto_report import report_after
from harness.engine.runner import RunOptions
from tests.harness.report.folders import Trial, make_results


def outcome(folder: Path, *, trained: bool = True, exit_code: int = 0):
    """A run that ended so."""
    timings_s = {"planning": 0.1, **({"sweep": 1.0} if trained else {})}
    plan = SimpleNamespace(folder=folder)
    return SimpleNamespace(plan=plan, timings_s=timings_s, exit_code=exit_code)


def test_a_run_that_trained_leaves_a_page(tmp_path: Path) -> None:
    folder = make_results(tmp_path, Trial(1, [0.5, 0.6, 0.7]))
    found = report_after(outcome(folder), RunOptions("digits"), quiet=False)
    assert found == (folder / "report.html", f"report: {folder / 'report.html'}")
    assert found.page.stat().st_size > 1_000_000


@pytest.mark.parametrize(
    ("how", "quiet"), [({"exit_code": 130}, False), ({}, True), ({"trained": False}, False)]
)
def test_no_page_is_made_for_who_wants_to_be_gone(tmp_path: Path, how, quiet: bool) -> None:
    """An interrupted run, a quiet one, and one with nothing to do end at once."""
    found = report_after(outcome(tmp_path / "digits", **how), RunOptions("digits"), quiet=quiet)
    assert found == (None, "report: bench report digits")


def test_a_page_that_is_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("page")
    found = report_after(outcome(tmp_path, trained=False), RunOptions("digits"), quiet=True)
    assert found.page == tmp_path / "report.html"


def test_the_command_names_the_folder_it_needs(tmp_path: Path) -> None:
    request = RunOptions("digits", results=Path("my results"), smoke=True)
    found = report_after(outcome(tmp_path / "digits", exit_code=130), request, quiet=False)
    assert found.line == "report: bench report _smoke/digits --results 'my results'"


def test_a_page_that_fails_fails_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(auto_report, "_written", broken)
    found = report_after(outcome(tmp_path / "digits"), RunOptions("digits"), quiet=False)
    assert found.page is None
    assert found.line == "no report (no space left on device); again with bench report digits"
