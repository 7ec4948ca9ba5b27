"""What `bench run` does about the report at its end: the page, or the command that makes it."""

import shlex
from pathlib import Path
from typing import NamedTuple

from harness.engine.runner import RunOptions, RunOutcome


class Report(NamedTuple):
    """Where the page is, or None, and what to say of it."""

    page: Path | None
    line: str


def report_after(outcome: RunOutcome, request: RunOptions, *, quiet: bool) -> Report:
    """Writes the page after a run that trained something; that never changes how the run ended.

    A quiet or interrupted run, and one that found nothing to do, says the command instead, or
    where the page is that is there.
    """
    folder = outcome.plan.folder
    command = _command(folder, request)
    trained = "sweep" in outcome.timings_s
    page = folder / "report.html"
    if not trained:
        return (
            Report(page, f"report: {page}") if page.exists() else Report(None, f"report: {command}")
        )
    if quiet or outcome.exit_code == 130:
        return Report(None, f"report: {command}")
    try:
        return Report(page := _written(folder), f"report: {page}")
    except Exception as error:  # the tables are safe; a page can be made again
        return Report(None, f"no report ({error or type(error).__name__}); again with {command}")


def _written(folder: Path) -> Path:
    from harness.report.report_writer import write_report

    (file,) = write_report([folder], results=folder.parent)
    return file


def _command(folder: Path, request: RunOptions) -> str:
    name = f"_smoke/{folder.name}" if request.smoke else folder.name
    place = [] if request.results == Path("results") else ["--results", str(request.results)]
    return shlex.join(["bench", "report", name, *place])
