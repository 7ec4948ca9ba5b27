"""`bench clean`: removes what can be made again, after saying what it is."""

import contextlib
from pathlib import Path
from typing import Any

import click

from harness.cli.terminal import echo, results_option

EPILOG = """\b
examples:
  bench clean quickstart --weights              says what it would remove, and asks
  bench clean quickstart --checkpoints --damaged --dry-run
  bench clean quickstart --runs-older-than 30 --yes
  bench clean --cache --smoke
"""
FOLDERS = {"weights": "weights", "damaged": ".damaged", "tracking": "tracking"}
NOTHING_NAMED = (
    "say what to remove: --cache, --smoke, or BENCHMARK with --weights, --checkpoints, --damaged, "
    "--tracking, --runs-older-than or --everything"
)


@click.command("clean", epilog=EPILOG)
@click.argument("benchmarks", metavar="[BENCHMARK]...", nargs=-1)
@results_option
@click.option("--cache", is_flag=True, help="Prepared arrays; the next run prepares them again.")
@click.option("--smoke", is_flag=True, help="What --smoke runs left.")
@click.option("--weights", is_flag=True, help="Weight files of the named benchmarks.")
@click.option("--checkpoints", is_flag=True, help="Of trials under way: they begin anew then.")
@click.option("--damaged", is_flag=True, help="Parts that could not be read and were set aside.")
@click.option("--tracking", is_flag=True, help="Curves for TensorBoard, MLflow, W&B.")
@click.option(
    "--runs-older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Records and logs of runs, never the newest; rows stay.",
)
@click.option("--everything", is_flag=True, help="All results of the named benchmarks.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(benchmarks: tuple[str, ...], results: Path, **options: Any) -> None:
    """Say what would be removed, ask, and remove exactly that."""
    from harness.results.cleanup import measured, remove
    from harness.results.layout import check_folder, check_plain
    from harness.results.lock import hold, refuse_held

    folders = [_results_of(results, name) for name in benchmarks]
    tried = options["smoke"] and check_folder(results / "_smoke")
    smoked = sorted((results / "_smoke").glob("*")) if tried else []
    smoked = [path for path in smoked if check_folder(path)]
    for folder in [] if options["everything"] else folders:  # as a whole they go unopened
        check_plain(folder)
    with contextlib.ExitStack() as held:  # from before they are counted until they are gone
        for folder in (*folders, *smoked):
            if options["dry_run"]:
                refuse_held(folder)
            else:
                held.enter_context(hold(folder))
        removable = measured(_targets(results, folders, options))
        for leftover in removable:
            files = f"{leftover.n_files} file{'s' if leftover.n_files != 1 else ' '}"
            echo(f"{leftover.n_bytes / 1e6:9.1f} MB  {files:>12}  {leftover.path}")
        if not removable:
            echo("nothing to remove")
        elif options["dry_run"]:
            echo("nothing was removed (--dry-run)")
        elif options["yes"] or _confirmed():
            remove(removable)
            echo("removed")


def _targets(results: Path, folders: list[Path], options: dict[str, Any]) -> list[Path]:
    from harness.data.paths import cache_dir
    from harness.results import cleanup

    days = options["runs_older_than"]
    parts = [name for option, name in FOLDERS.items() if options[option]]
    of_folders = parts or options["checkpoints"] or options["everything"] or days is not None
    if not (options["cache"] or options["smoke"] or (folders and of_folders)):
        raise click.UsageError(NOTHING_NAMED)
    targets = [*folders] if options["everything"] else []
    for folder in folders:
        targets += [path for name in parts for path in cleanup.part_of(folder, name)]
        targets += cleanup.checkpoints(folder) if options["checkpoints"] else []
        targets += cleanup.runs_before(folder, days=days) if days is not None else []
    targets += cleanup.part_of(results, "_smoke") if options["smoke"] else []
    if options["cache"]:
        entries, others = cleanup.cache_entries(cache_dir())
        targets += entries
        if others:
            echo(f"{others} in {cache_dir()} are not from bench and stay", err=True)
    return targets


def _confirmed() -> bool:
    try:
        return click.confirm("remove these?")
    except click.exceptions.Abort:
        raise click.UsageError("nobody answered, so nothing was removed; --yes removes") from None


def _results_of(results: Path, name: str) -> Path:
    from harness.errors import BenchError, listed, nearest

    known = sorted(path.name for path in results.glob("*") if (path / "runs").is_dir())
    if name not in known:
        close = nearest(name, known)
        hint = f"; did you mean {close!r}?" if close else ""
        raise BenchError(f"no results of {name!r} in {results}; {listed(known)}{hint}")
    return results / name
