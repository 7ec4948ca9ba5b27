"""bench from Python: run a benchmark as the command does, and read what it left.

from harness.api import load_results, run

outcome = run("quickstart", "training.epochs=3", limit=2)
study = load_results("quickstart")
"""

from pathlib import Path

from harness.engine.runner import RunOptions, RunOutcome, run_benchmark
from harness.report import load_results

__all__ = ["RunOutcome", "load_results", "run"]


def run(
    file: str | Path,
    *overrides: str,
    results: str | Path = "results",
    data: str | Path | None = None,
    jobs: int | None = None,
    address: str | None = None,
    limit: int | None = None,
    smoke: bool = False,
    force: bool = False,
    retry_failed: bool = False,
    in_process: bool = False,
    quiet: bool = False,
) -> RunOutcome:
    """Trains what is missing of a benchmark, showing progress on stderr unless `quiet`.

    file: a benchmark's name or a path. overrides: `key=value`, as on the command line; the other
    arguments are the command's options. `outcome.summary` has the counts, the best and the
    ranking; `outcome.exit_code` is what the command would have ended with.
    Raises SpecError for mistakes of the file, with all of them, and BenchError for data that is
    not there or a folder that another run holds.
    """
    from harness.cli.progress import progress

    options = RunOptions(
        file=str(file),
        overrides=overrides,
        results=Path(results),
        data=None if data is None else Path(data),
        jobs=jobs,
        address=address,
        limit=limit,
        smoke=smoke,
        force=force,
        retry_failed=retry_failed,
        in_process=in_process,
    )
    with progress(quiet=quiet, live=not in_process) as watch:
        return run_benchmark(options, watch)
