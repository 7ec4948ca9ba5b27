"""Pretraining: how its own task went, epoch by epoch, and on examples it never saw."""

from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import Figure, Section, Text, empty_section, section
from harness.report.formatting import is_missing, number, plural
from harness.report.theme import figure

if TYPE_CHECKING:
    import pandas as pd
KEY, TITLE = "pretraining", "Pretraining"


class PretrainingTask(NamedTuple):
    """One pretraining, for all configurations that start from it.

    Attributes:
        name: The pretraining's id.
        configurations: Those that start from it.
        rows: Its rows of `epochs`, as the first configuration has them.
        test_accuracy: None without a test.
    """

    name: str
    configurations: tuple[Configuration, ...]
    rows: "pd.DataFrame"
    test_accuracy: float | None


def pretraining(results: BenchmarkResults) -> Section:
    """Return the section: the task's accuracy and loss."""
    shown = results.complete
    tasks = compute(results.epochs([configuration.trial_id for configuration in shown]), shown)
    if not tasks:
        return empty_section(KEY, TITLE, "No configuration starts from pretrained weights.")
    words = " ".join(_words(task) for task in tasks)
    text = Text(
        f"{words} No label was read, and no test example was trained on. Lines: examples "
        "held out; dotted: running train values. How much of what was learned is of use "
        "for the classes, only the leaderboard says."
    )
    figures = [
        Figure(f"{what.capitalize()} of the pretraining's own task", draw(tasks, what), True)
        for what in ("accuracy", "loss")
    ]
    return section(KEY, TITLE, text, *figures)


def compute(rows: "pd.DataFrame", shown: tuple[Configuration, ...]) -> tuple[PretrainingTask, ...]:
    """Return each distinct pretraining of these configurations."""
    if rows.empty or "stage" not in rows.columns:
        return ()
    own = rows[rows["stage"] == "pretraining"]
    users: dict[str, list[Configuration]] = {}
    for configuration in shown:
        name = configuration.row.get("pretraining_id")
        if not is_missing(name):
            users.setdefault(str(name), []).append(configuration)
    return tuple(
        PretrainingTask(
            name,
            tuple(using),
            own[own["trial_id"] == using[0].trial_id].sort_values("epoch"),
            _score(using[0].row.get("pretraining_test_accuracy")),
        )
        for name, using in users.items()
    )


def draw(found: tuple[PretrainingTask, ...], what: str) -> go.Figure:
    """Draw held-out and train values by epoch.

    Args:
        found: The pretrainings.
        what: `accuracy` or `loss`.
    """
    made = figure(x="epoch", y=what, legend=len(found) > 1)
    for task in found:
        line = {"color": task.configurations[0].colour}
        shared = {"x": task.rows["epoch"].tolist(), "mode": "lines", "name": task.name}
        for role, style in (("train", {"dash": "dot"}), ("val", {})):
            values = task.rows[f"{role}_{what}"]
            if values.notna().any():
                made.add_trace(
                    go.Scatter(
                        **shared,
                        y=values.tolist(),
                        line={**line, **style},
                        showlegend=role == "val" and len(found) > 1,
                    )
                )
    return made


def _score(value: float | None) -> float | None:
    return None if is_missing(value) else value


def _words(task: PretrainingTask) -> str:
    used = plural(len(task.configurations), "configuration")
    last = task.rows.iloc[-1]
    held_out = last["val_accuracy"]
    said = [f"train accuracy {number(last['train_accuracy'])} after {last['epoch']} epochs"]
    if not is_missing(held_out):
        said.append(f"{number(held_out)} on examples held out")
    if task.test_accuracy is not None:
        said.append(f"{number(task.test_accuracy)} on test examples")
    return f"{used} started from pretraining {task.name}: {', '.join(said)}."
