"""`bench compare`: is B better or worse than A, and could so few folds tell?"""

import math
from pathlib import Path

import click

from harness.cli.terminal import echo, results_option

EPILOG = """\b
an operand is BENCHMARK[@RUN][:SELECTOR]; without a selector the best on validation

\b
examples:
  bench compare quickstart:num_heads=1 quickstart:num_heads=4
  bench compare quickstart@20261121T140743-74c2 quickstart --each
  bench compare old/quickstart new/quickstart --each --fail-if-worse --tolerance 0.01
"""


@click.command("compare", epilog=EPILOG)
@click.argument("a")
@click.argument("b")
@click.option("--each", is_flag=True, help="Pair every configuration of A with the same one of B.")
@click.option("--fail-if-worse", is_flag=True, help="Exit 1 where B is worse than A.")
@click.option(
    "--tolerance",
    type=float,
    metavar="T",
    help="How much worse B may be, in the metric's unit: 0.01 is a point of accuracy.",
)
@results_option
def command(
    a: str, b: str, each: bool, fail_if_worse: bool, tolerance: float | None, results: Path
) -> None:
    """Compare B with the baseline A, by the tables alone."""
    from harness.results.trial_reference import choose, open_operand
    from harness.statistics.comparison import compare, compare_each, verdict

    if tolerance is not None and not fail_if_worse:
        raise click.UsageError("--tolerance says what --fail-if-worse lets pass; give both")
    sources = [open_operand(text, results=results) for text in (a, b)]
    for note in dict.fromkeys(note for source in sources for note in source.notes):
        echo(note, err=True)
    margin = _checked(tolerance, sources[0].objective)
    if each:
        from harness.cli.compare_text import each_lines

        compared = compare_each(*sources)
        headlines = [pair.headline for pair in compared.pairs]
        lines = each_lines(compared, *sources, tolerance=margin)
    else:
        from harness.cli.compare_text import comparison_lines

        comparison = compare(*map(choose, sources))
        headlines = [comparison.headline]
        lines = comparison_lines(comparison, tolerance=margin)
    echo("\n".join(lines))
    if fail_if_worse:
        _gate([verdict(headline, tolerance=margin) for headline in headlines])


def _checked(tolerance: float | None, metric: str) -> float:
    from harness.metrics import is_fraction

    if tolerance is None:
        return 0.0
    largest = 1.0 if is_fraction(metric) else math.inf
    if not 0 <= tolerance < largest or math.isinf(tolerance):
        raise click.UsageError(
            f"--tolerance: found {tolerance:g}; allowed: from 0"
            + (" to below 1, as metrics are fractions: 0.01 is one point" if largest == 1 else "")
        )
    return tolerance


def _gate(verdicts: list[str]) -> None:
    from harness.errors import BenchError

    if "worse" in verdicts:
        raise click.exceptions.Exit(1)
    if "untested" in verdicts:
        raise BenchError(
            "--fail-if-worse needs an interval: one dataset, and more folds, repeats, or "
            "stored predictions"
        )
