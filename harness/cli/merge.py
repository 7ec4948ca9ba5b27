"""`bench merge`: joins results of several machines, each trial once."""

import shlex
from pathlib import Path

import click

from harness.cli.terminal import echo, results_option

EPILOG = """\b
examples:
  bench merge ~/from-lab/results/quickstart
  bench merge ~/from-lab/results ~/from-cluster/results
"""


@click.command("merge", epilog=EPILOG)
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    metavar="FOLDER...",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@results_option
def command(sources: tuple[Path, ...], results: Path) -> None:
    """Copy into --results what each FOLDER has and it lacks, by the identity of trials.

    A FOLDER is a benchmark's results, or a folder that holds several of them. It stays as it is.
    """
    from harness.errors import BenchError
    from harness.results.integrity import lost_lines
    from harness.results.layout import unknown_lines
    from harness.results.lock import hold, is_held
    from harness.results.merge import benchmark_of, merge

    found = [folder for source in sources for folder in _results_in(source)]
    typed = shlex.join(["bench", "merge", *map(str, sources)])
    named = [(folder, results / benchmark_of(folder)) for folder in found]
    for folder, target in named:
        if folder.resolve() == target.resolve():
            raise BenchError(f"{folder} is where its trials would be merged into")
        if is_held(folder):
            raise BenchError(f"{folder} is being written by a run; merge it when that has ended")
    for folder, target in named:
        with hold(target):
            report = merge(folder, target, command=typed)
        echo(
            f"{folder} -> {target}: {len(report.new)} new, {len(report.better)} replaced, "
            f"{len(report.kept)} already there"
        )
        for trial_id, (ours, theirs) in report.different.items():
            echo(f"  {trial_id} differs: {ours} here, {theirs} there; the one here stays")
        for line in (*unknown_lines(folder), *lost_lines(folder, report.lost)):
            echo(f"  {line}")
        for path in report.damaged:
            echo(f"  {path} is damaged; its trials were left out")


def _results_in(source: Path) -> list[Path]:
    """Return the folder itself, or those in it, that hold tables."""
    from harness.errors import BenchError

    if (source / "trials").is_dir():
        return [source]
    inner = sorted(path.parent for path in source.glob("*/trials"))
    if not inner:
        raise BenchError(f"{source} holds no results: neither trials/ nor folders with trials/")
    return inner
