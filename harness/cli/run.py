"""`bench run`: trains what is missing of a benchmark file."""

import json
from typing import Any

import click

from harness.cli.terminal import data_option, echo, results_option

EPILOG = """\b
examples:
  bench run quickstart
  bench run my.yaml training.epochs=3 model.num_heads=2
  bench run esc50_cnn --data ~/data --jobs 2
  bench run my.yaml --dry-run
  bench run my.yaml --in-process --limit 1
"""

INTERRUPTED = "interrupted: finished trials are kept, the same command goes on"


@click.command("run", epilog=EPILOG)
@click.argument("file")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@results_option
@data_option
@click.option("--jobs", type=click.IntRange(min=1), help="Trials at a time; default: all cores.")
@click.option("--address", help="Of a running Ray cluster.")
@click.option("--in-process", is_flag=True, help="One trial at a time in this process, no Ray.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many of the missing trials.")
@click.option("--smoke", is_flag=True, help="A few minutes' try: one epoch, few examples.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained and why, and stop.")
@click.option("--force", is_flag=True, help="Train all trials again.")
@click.option("--retry-failed", is_flag=True, help="Train failed trials again.")
@click.option("--finish-pruned", is_flag=True, help="Train pruned trials again, to their end.")
@click.option("--tracking", metavar="NAMES", help="Comma-separated: tensorboard, mlflow, wandb.")
@click.option("--quiet", is_flag=True, help="No progress, and no report at the end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def command(**options: Any) -> None:
    """Train what is missing of FILE: every configuration on the same folds."""
    from harness.cli.terminal import stopped_as_by_ctrl_c

    with stopped_as_by_ctrl_c():
        try:
            code = _run(options)
        except KeyboardInterrupt:
            click.echo(INTERRUPTED, err=True)
            code = 130
        raise click.exceptions.Exit(code)


def _run(options: dict[str, Any]) -> int:
    """Run the benchmark and return the exit code."""
    from harness.cli.progress import progress
    from harness.cli.summary import as_plain, print_dry_run, print_summary, report_after
    from harness.engine.runner import RunOptions, run_benchmark

    quiet, as_json = options.pop("quiet"), options.pop("as_json")
    request = RunOptions(**options)
    if request.in_process and (request.address is not None or (request.jobs or 1) > 1):
        raise click.UsageError("--in-process trains one trial at a time on this machine")
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
