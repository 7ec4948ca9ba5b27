"""`bench rerun`: train a finished trial again and compare its numbers."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.terminal import data_option, echo, results_option

if TYPE_CHECKING:
    from harness.engine.rerun import Rerun, RowDiff

EPILOG = """\b
TRIAL is the beginning of a trial id, or parameters that name one trial

\b
examples:
  bench rerun quickstart 2996a5f7
  bench rerun quickstart num_heads=4,patch_size=2,cls_position=first,optimizer=adam
"""

NOT_RECORDED = (
    "nothing that the row records differs: perhaps an operation that is not deterministic, "
    "or a trial that was interrupted and went on elsewhere"
)


@click.command("rerun", epilog=EPILOG)
@click.argument("benchmark")
@click.argument("trial")
@results_option
@data_option
@click.option("--address", help="Of a running Ray cluster.")
@click.option("--quiet", is_flag=True, help="No progress.")
def command(
    benchmark: str, trial: str, results: Path, data: Path | None, address: str | None, quiet: bool
) -> None:
    """Repeat a finished TRIAL from its row: the same numbers, or by how much and why they differ.

    The tables stay as they are. Exit 0 where every number is the same to the last bit, 1 where
    one differs.
    """
    from harness.cli.progress import progress
    from harness.engine.options import RunOptions
    from harness.engine.rerun import find_trial, rerun
    from harness.results.trial_reference import find_results, open_source

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = find_results(benchmark, results=results)
    source = open_source(folder, None, trial)
    for note in source.notes:
        echo(note, err=True)
    chosen = find_trial(source)
    options = RunOptions(file="", data=data, address=address, jobs=1)
    with progress(quiet=quiet) as watch:
        done = rerun(folder, chosen, options=options, on_event=watch)
    echo("\n".join(_lines(done)))
    if not done.same:
        raise click.exceptions.Exit(1)


def _lines(done: "Rerun") -> list[str]:
    rows = done.diff
    if done.same and rows is None:
        return [f"trial {done.trial_id} fails again with the same error: {done.error}"]
    if done.same and rows is not None:
        compared = f"{rows.n_folds} folds and {rows.n_predictions:,} predictions"
        return [f"trial {done.trial_id}: same, {compared} to the last bit"]
    what = _differences(rows) if rows else [f"now: {done.error or 'complete'}"]
    why = done.reasons or (NOT_RECORDED,)
    return [
        f"trial {done.trial_id}: differs",
        *(f"  {line}" for line in what),
        *(f"  because: {line}" for line in why),
    ]


def _differences(rows: "RowDiff") -> list[str]:
    lines = list(rows.unequal)
    if rows.first_epoch is not None:
        lines.append(f"the curves differ from epoch {rows.first_epoch} on")
    lines += [f"{name}: up to {value:.3g} in a fold" for name, value in rows.scores.items()]
    if rows.n_predictions:
        lines.append(
            f"{rows.n_changed:,} of {rows.n_predictions:,} predictions name another class; "
            f"a probability differs by up to {rows.probability_difference:.3g}"
        )
    return lines
