"""`bench clean`: removes what can be made again, after saying what it is."""

import shutil
from pathlib import Path

import click


@click.command("clean")
@click.argument("benchmarks", nargs=-1)
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"),
              show_default=True, help="Folder that holds one folder per benchmark.")  # fmt: skip
@click.option("--cache", is_flag=True, help="Prepared arrays; the next run prepares them again.")
@click.option("--smoke", is_flag=True, help="What --smoke runs left.")
@click.option("--weights", is_flag=True, help="Weight files of the named benchmarks.")
@click.option("--everything", is_flag=True, help="All results of the named benchmarks.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    benchmarks: tuple[str, ...],
    results: Path,
    cache: bool,
    smoke: bool,
    weights: bool,
    everything: bool,
    yes: bool,
) -> None:
    """Say what would be removed, ask, and remove it."""
    folders = [_results_of(results, name) for name in benchmarks]
    targets = [folder / "weights" for folder in folders] if weights else []
    targets += folders if everything else []
    targets += [results / "_smoke"] if smoke else []
    targets += [_cache()] if cache else []
    if not targets:
        raise click.UsageError(
            "say what to remove: --cache, --smoke, or BENCHMARK with --weights or --everything"
        )
    present = [target for target in targets if target.exists()]
    for target in present:
        click.echo(f"{_size_mb(target):9.1f} MB  {target}")
    if not present:
        click.echo("nothing to remove")
    elif yes or _confirmed():
        _remove(present, folders)
        click.echo("removed")


def _confirmed() -> bool:
    try:
        return click.confirm("remove these?")
    except click.exceptions.Abort:
        raise click.UsageError("nobody answered, so nothing was removed; --yes removes") from None


def _results_of(results: Path, name: str) -> Path:
    from harness.errors import BenchError, nearest

    known = sorted(path.name for path in results.glob("*") if (path / "runs").is_dir())
    if name not in known:
        close = nearest(name, known)
        hint = f"; did you mean {close!r}?" if close else ""
        listed = ", ".join(known) or "none"
        raise BenchError(f"no results of {name!r} in {results}; there are: {listed}{hint}")
    return results / name


def _remove(targets: list[Path], held: list[Path]) -> None:
    import contextlib

    from harness.results.lock import hold

    with contextlib.ExitStack() as stack:
        for folder in held:
            stack.enter_context(hold(folder))
        for target in targets:
            shutil.rmtree(target)


def _cache() -> Path:
    from harness.data.places import cache_dir

    return cache_dir()


def _size_mb(target: Path) -> float:
    return sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
