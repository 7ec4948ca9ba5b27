"""`bench run`: trains what is missing of a benchmark file."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from harness.cli.terminal import echo
from harness.engine.options import RunOptions

EPILOG = """\b
examples:
  bench run quickstart
  bench run my.yaml training.epochs=3 model.num_heads=2
  bench run esc50_cnn --data ~/data --jobs 2
  bench run my.yaml --dry-run
  bench run my.yaml --in-process --limit 1
"""

INTERRUPTED = "interrupted: finished trials are kept, the same command goes on"

_TYPES: dict[Any, dict[str, Any]] = {
    Path: {"type": click.Path(path_type=Path), "show_default": True},
    Path | None: {"type": click.Path(path_type=Path)},
    int | None: {"type": click.IntRange(min=1)},
    str | None: {},
    bool: {"is_flag": True},
}


def _options_of_a_run(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for every field of `RunOptions` that has a help text, in their order."""
    for field in reversed([field for field in fields(RunOptions) if field.metadata]):
        option = click.option(
            f"--{field.name.replace('_', '-')}",
            default=field.default,
            **field.metadata,
            **_TYPES[field.type],
        )
        command = option(command)
    return command


@click.command("run", epilog=EPILOG)
@click.argument("file")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@_options_of_a_run
@click.option("--quiet", is_flag=True, help="No progress, and no report at the end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(quiet: bool, as_json: bool, **options: Any) -> None:
    """Train what is missing of FILE: every configuration on the same folds."""
    from harness.cli.terminal import stopped_as_by_ctrl_c

    request = RunOptions(**options)
    if request.in_process and (request.address is not None or (request.jobs or 1) > 1):
        raise click.UsageError("--in-process trains one trial at a time on this machine")
    with stopped_as_by_ctrl_c():
        try:
            code = _run(request, quiet=quiet, as_json=as_json)
        except KeyboardInterrupt:
            click.echo(INTERRUPTED, err=True)
            code = 130
        raise click.exceptions.Exit(code)


def _run(request: RunOptions, *, quiet: bool, as_json: bool) -> int:
    """Run, print and write the report; return the exit code."""
    from harness.cli.progress import progress
    from harness.cli.summary import as_plain, print_dry_run, print_summary, report_after
    from harness.engine.runner import run_benchmark

    with progress(quiet=quiet, live=not request.in_process) as watch:
        outcome = run_benchmark(request, watch)
    if as_json:
        report = None if request.dry_run else report_after(outcome, request, quiet=quiet).page
        plain = as_plain(outcome)
        click.echo(json.dumps({**plain, "report": None if report is None else str(report)}))
    elif request.dry_run:
        print_dry_run(outcome)
    else:
        print_summary(outcome)
        echo(report_after(outcome, request, quiet=quiet).line)
    return outcome.exit_code
