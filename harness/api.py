"""bench from Python: run a benchmark as the command does, and read what it left.

from harness.api import load_results, run

outcome = run("quickstart", "training.epochs=3", limit=2)
results = load_results("quickstart")
"""

from pathlib import Path

from harness.cli.progress import progress
from harness.engine.options import RunOptions
from harness.engine.runner import RunOutcome, run_benchmark
from harness.report import load_results

__all__ = ["RunOutcome", "load_results", "run"]


def run(
    file: str | Path,
    *overrides: str,
    results: str | Path = "results",
    data: str | Path | None = None,
    jobs: int | None = None,
    address: str | None = None,
    in_process: bool = False,
    limit: int | None = None,
    smoke: bool = False,
    dry_run: bool = False,
    force: bool = False,
    retry_failed: bool = False,
    finish_pruned: bool = False,
    tracking: str | None = None,
    quiet: bool = False,
) -> RunOutcome:
    """Train what is missing of a benchmark, showing progress on stderr unless `quiet`.

    Args:
        file: A benchmark's name or a path.
        *overrides: `key=value`, as on the command line.
        results: Folder that holds one folder per benchmark.
        data: Folder that holds the datasets.
        jobs: Trials at a time; None fills the cores.
        address: Of a running Ray cluster.
        in_process: Train one trial at a time in this process, without Ray.
        limit: Train at most so many of the missing trials.
        smoke: Try one epoch on few examples.
        dry_run: Find what would be trained and why, and stop.
        force: Train all trials again.
        retry_failed: Train failed trials again.
        finish_pruned: Train pruned trials again, to their end.
        tracking: Comma-separated: tensorboard, mlflow, wandb.
        quiet: Show no progress.

    Returns:
        `summary` has the counts, the best and the ranking; `exit_code` is what the command would
        have ended with.

    Raises:
        SpecError: The file has mistakes; with all of them.
        BenchError: Data is not there, or another run holds the folder.
    """
    options = RunOptions(
        file=str(file),
        overrides=overrides,
        results=Path(results),
        data=None if data is None else Path(data),
        jobs=jobs,
        address=address,
        in_process=in_process,
        limit=limit,
        smoke=smoke,
        dry_run=dry_run,
        force=force,
        retry_failed=retry_failed,
        finish_pruned=finish_pruned,
        tracking=tracking,
    )
    with progress(quiet=quiet, live=not in_process) as watch:
        return run_benchmark(options, watch)
