"""`bench report`: from the results folder to one page, Markdown, CSV or LaTeX."""

from pathlib import Path

import click

FORMATS = ("html", "md", "csv", "latex")


@click.command("report")
@click.argument("benchmarks", metavar="[BENCHMARK…]", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              help="File to write; default results/<benchmark>/report.html.")  # fmt: skip
@click.option("--format", "formats", default="html", show_default=True,
              help="Comma-separated: html, md, csv, latex.")  # fmt: skip
@click.option("--baseline", metavar="SELECTOR", help="Trial id's start, or param=value,…")
@click.option("--run", "run_id", metavar="ID", help="A run other than the last.")
@click.option("--all", "everything", is_flag=True, help="Every trial in the tables.")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"),
              show_default=True, help="Folder that holds one folder per benchmark.")  # fmt: skip
def command(
    benchmarks: tuple[str, ...],
    out: Path | None,
    formats: str,
    baseline: str | None,
    run_id: str | None,
    everything: bool,
    results: Path,
) -> None:
    """Turn results into a report; all benchmarks under --results where none is named."""
    from harness.report.write import results_folders, write_report

    wanted = tuple(dict.fromkeys(part.strip() for part in formats.split(",")))
    for one in wanted:
        if one not in FORMATS:
            raise click.UsageError(f"--format {one!r}: choose from {', '.join(FORMATS)}")
    if run_id and everything:
        raise click.UsageError("--run and --all exclude each other")
    folders = results_folders(results, benchmarks)
    for file in write_report(
        folders,
        results=results,
        out=out,
        formats=wanted,
        baseline=baseline,
        run_id="all" if everything else run_id,
    ):
        click.echo(str(file))
