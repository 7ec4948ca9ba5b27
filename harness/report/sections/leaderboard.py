"""All configurations, ranked by validation; test scores are shown and never rank."""

from typing import NamedTuple

import plotly.graph_objects as go

from harness.metrics import find
from harness.report.benchmark_results import ROLE_OF, BenchmarkResults, Configuration
from harness.report.blocks import Cell, Column, Figure, Section, Table, Text, section
from harness.report.formatting import (
    count,
    estimate_cell,
    magnitude,
    metric_name,
    number,
    plural,
    time_text,
)
from harness.report.theme import OTHER, panels
from harness.statistics.intervals import Estimate

SHOWN_DOTS = 20  # configurations in the figure; the table has all


class LeaderboardData(NamedTuple):
    """The leaderboard's numbers.

    Attributes:
        objective: The metric that ranks.
        columns: The scored columns of `folds`, the objective on validation first.
        ranked: The complete configurations, best first.
        scores: Trial id -> column -> estimate.
        unfinished: What is pruned, failed, interrupted or missing.
    """

    objective: str
    columns: tuple[str, ...]
    ranked: tuple[Configuration, ...]
    scores: dict[str, dict[str, Estimate]]
    unfinished: tuple[Configuration, ...]


def leaderboard(results: BenchmarkResults) -> Section:
    """Return the section."""
    board = compute(results)
    blocks: list[Table | Figure | Text] = [Text(_explanation(results, board))]
    if board.ranked:
        blocks += [Figure(_finding(board), draw(board)), table(board)]
    if board.unfinished:
        blocks.append(_unfinished_table(board.unfinished))
    return section("leaderboard", "Leaderboard", *blocks)


def compute(results: BenchmarkResults) -> LeaderboardData:
    """Estimate every scored column of every complete configuration.

    Metrics other than the objective are those of the test if there is one, else of validation.
    """
    wanted = [f"{split}_{results.objective}" for split in ("val", "test")]
    others = [metric for metric in results.spec.metrics if metric != results.objective]
    tested = results.folds.get("n_test")
    split = "val" if tested is None or not tested.fillna(0).any() else "test"
    wanted += [f"{split}_{metric}" for metric in others]
    by_column = {
        column: results.estimates(column)
        for column in wanted
        if column in results.folds.columns and results.folds[column].notna().any()
    }
    return LeaderboardData(
        objective=results.objective,
        columns=tuple(by_column),
        ranked=results.complete,
        scores={
            configuration.trial_id: {
                column: found[configuration.trial_id] for column, found in by_column.items()
            }
            for configuration in results.complete
        },
        unfinished=results.configurations[len(results.complete) :],
    )


def table(board: LeaderboardData) -> Table:
    """Return one row for each complete configuration, best first."""
    headings = [Column("#", numeric=True), Column("configuration")]
    hint = "mean over folds and repeats ± half the 95 % interval"
    headings += [
        Column(_heading(column), numeric=True, hint=hint, best=_mode(column))
        for column in board.columns
    ]
    headings += [
        Column("parameters", numeric=True),
        Column("multiply-adds", numeric=True, hint="of one example's forward pass"),
        Column("fit time", numeric=True, hint="seconds of training, all folds and repeats"),
        Column("findings"),
        Column("trial"),
    ]
    return Table(
        tuple(headings),
        tuple(_row(board, configuration) for configuration in board.ranked),
        sortable=True,
    )


def draw(board: LeaderboardData) -> go.Figure:
    """Draw dots with intervals: validation, test and F1 if it is measured, best on top."""
    other = [column for column in board.columns if not column.endswith(f"_{board.objective}")]
    other.sort(key=lambda column: not column.endswith("_f1"))
    columns = [column for column in board.columns if column not in other] + other[:1]
    shown = board.ranked[:SHOWN_DOTS]
    height_px = 110 + 21 * len(shown)
    made = panels(len(columns), [_heading(column) for column in columns], height_px=height_px)
    for place, column in enumerate(columns, start=1):
        for configuration in shown:
            made.add_trace(
                _dot(configuration, board.scores[configuration.trial_id][column]), row=1, col=place
            )
    made.update_yaxes(autorange="reversed", type="category")
    made.update_xaxes(nticks=5)
    return made


def _dot(configuration: Configuration, estimate: Estimate) -> go.Scatter:
    bars = None
    if estimate.high is not None:
        half = estimate.high - (estimate.mean or 0.0)
        bars = {"array": [half], "color": configuration.colour, "thickness": 1.6}
    label = _escaped(configuration.label)
    return go.Scatter(
        x=[estimate.mean],
        y=[configuration.name],
        mode="markers",
        name=configuration.name,
        showlegend=False,
        marker={"color": configuration.colour, "size": 9},
        error_x=bars,
        hovertemplate=f"{configuration.name} {label}<br>%{{x:.4f}}<extra></extra>",
    )


def _row(board: LeaderboardData, configuration: Configuration) -> tuple[Cell, ...]:
    row, scores = configuration.row, board.scores[configuration.trial_id]
    return (
        Cell(str(configuration.place), configuration.place),
        Cell(
            configuration.label,
            None,
            configuration.colour if configuration.colour != OTHER else None,
        ),
        *(estimate_cell(scores[column]) for column in board.columns),
        Cell(count(row.get("n_parameters")), row.get("n_parameters")),
        Cell(magnitude(row.get("mult_adds")), row.get("mult_adds")),
        Cell(time_text(row.get("fit_time_s")), row.get("fit_time_s")),
        Cell((row.get("findings") or "").replace(",", ", ")),
        Cell(configuration.trial_id[:8]),
    )


def _unfinished_table(unfinished: tuple[Configuration, ...]) -> Table:
    columns = (
        Column("status"),
        Column("configuration"),
        Column("epochs", numeric=True),
        Column("error"),
        Column("trial"),
    )
    rows = tuple(
        (
            Cell(configuration.status),
            Cell(configuration.label),
            Cell(count(configuration.row.get("epochs_trained"))),
            Cell(_text(configuration.row.get("error"))),
            Cell(configuration.trial_id[:8]),
        )
        for configuration in unfinished
    )
    return Table(columns, rows, caption="Not complete, never ranked", sortable=True)


def _finding(board: LeaderboardData) -> str:
    best = board.ranked[0]
    estimate = board.scores[best.trial_id][board.columns[0]] if board.columns else Estimate(None)
    text = f"{best.name} is first on validation with {metric_name(board.objective)} "
    text += number(estimate.mean) + _lead(board, estimate)
    if len(board.ranked) > SHOWN_DOTS:
        text += f"; the best {SHOWN_DOTS} of {len(board.ranked):,} are drawn"
    return text


def _lead(board: LeaderboardData, best: Estimate) -> str:
    """Say how far the second is behind: a first place alone says nothing of its size."""
    if len(board.ranked) < 2 or best.mean is None or not board.columns:
        return ""
    second = board.ranked[1]
    behind = board.scores[second.trial_id][board.columns[0]].mean
    if behind is None:
        return ""
    return f", {number(abs(best.mean - behind), 3)} ahead of {second.name}"


def _explanation(results: BenchmarkResults, board: LeaderboardData) -> str:
    if not board.ranked:
        return "No configuration is complete yet."
    first = board.ranked[0].row
    folds = plural(int(first.get("n_folds") or 1), "fold")
    repeats = int(first.get("n_repeats") or 1)
    over = folds if repeats == 1 else f"{folds} and {repeats} repeats"
    if board.scores[board.ranked[0].trial_id][board.columns[0]].low is None:
        return f"Ranked by validation {metric_name(results.objective)}, {over}: no interval."
    return (
        f"Ranked by the validation mean of {metric_name(results.objective)} over {over}; ± "
        "and bars are 95 % intervals (corrected resampled t), which may reach past 1. "
        "The test score never ranks."
    )


def _heading(column: str) -> str:
    split, _, metric = column.partition("_")
    return f"{ROLE_OF[split]} {metric_name(metric)}"


def _mode(column: str) -> str:
    return find(column.partition("_")[2]).mode


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
