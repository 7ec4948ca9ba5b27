"""`bench report`: from the results folder to one page, Markdown, CSV or LaTeX."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from harness.cli.terminal import echo, results_option

FORMATS = ("html", "md", "csv", "latex")
EPILOG = """\b
examples:
  bench report quickstart
  bench report quickstart --baseline num_heads=1,patch_size=4,cls_position=first,optimizer=adam
  bench report quickstart --format md,csv,latex
  bench report quickstart --watch
  bench report quickstart my_question --out both.html
"""


@click.command("report", epilog=EPILOG)
@click.argument("benchmarks", metavar="[BENCHMARK]...", nargs=-1)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default results/<benchmark>/report.html.",
)
@click.option(
    "--format",
    "formats",
    default="html",
    show_default=True,
    help="Comma-separated: html, md, csv, latex.",
)
@click.option("--baseline", metavar="SELECTOR", help="Trial id's start, or param=value,…")
@click.option("--run", "run_id", metavar="ID", help="A run other than the last.")
@click.option("--all", "everything", is_flag=True, help="Every trial in the tables.")
@click.option(
    "--watch", "watching", is_flag=True, help="Write the page again and again while a run lasts."
)
@results_option
def command(
    benchmarks: tuple[str, ...],
    out: Path | None,
    formats: str,
    baseline: str | None,
    run_id: str | None,
    everything: bool,
    watching: bool,
    results: Path,
) -> None:
    """Turn results into a report; all benchmarks under --results where none is named."""
    from harness.report.report_writer import results_folders, write_report

    wanted = tuple(dict.fromkeys(part.strip() for part in formats.split(",")))
    for name in wanted:
        if name not in FORMATS:
            raise click.UsageError(f"--format {name!r}: choose from {', '.join(FORMATS)}")
    if run_id and everything:
        raise click.UsageError("--run and --all exclude each other")
    shown = "all" if everything else run_id
    make = partial(
        write_report,
        results=results,
        out=out,
        baseline=baseline,
        run_id=shown,
        tell=partial(echo, err=True),
    )
    if watching:
        if wanted != ("html",):
            raise click.UsageError("--watch writes the page: leave --format out")
        _watch(results, benchmarks, make)
        return
    folders = results_folders(results, benchmarks)
    for file in make(folders, formats=wanted):
        echo(str(file))


def _watch(results: Path, benchmarks: tuple[str, ...], make: Callable[..., list[Path]]) -> None:
    """Make the page again and again until the run ends, or Ctrl-C."""
    from harness.report.report_writer import results_folders
    from harness.report.watch import watch
    from harness.results.lock import is_held

    def write(reload_s: int | None) -> Path:
        return make(results_folders(results, benchmarks), reload_s=reload_s)[0]

    given = [
        Path(name) if (Path(name) / "runs").is_dir() else results / name for name in benchmarks
    ]
    folders = given or results_folders(results, benchmarks)
    if not any(map(is_held, folders)):
        names = ", ".join(str(folder) for folder in folders)
        echo(f"no run is under way in {names}: waiting for one, Ctrl-C ends", err=True)
    try:
        watch(folders, write, on_written=_teller())
    except KeyboardInterrupt:
        echo("no longer watched", err=True)


def _teller() -> Callable[[Path], None]:
    """Names the page once on stdout, and on stderr the time whenever it was written."""
    named: set[Path] = set()

    def tell(page: Path) -> None:
        if page not in named:
            echo(str(page))
            named.add(page)
        echo(f"written at {datetime.now().astimezone():%H:%M:%S}", err=True)

    return tell
