"""Failures, what the probes found, and results that look copied."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.report.benchmark_results import FOLD, BenchmarkResults, Configuration
from harness.report.blocks import Cell, Column, Section, Table, Text, section
from harness.report.formatting import plural, value_text
from harness.report.pruned import pruned_table, pruned_text
from harness.statistics.selection_bias import identical_logs

KEY, TITLE = "findings", "Failures and findings"
MOST_NAMED = 10  # configurations in a sentence
ROUNDING = 1e-6  # relative: what rounding of a stored score can do
MEANINGS = {
    "dead_parameters": "some parameters never receive a gradient",
    "unregistered_parameters": "layers or parameters in the named attribute, such as a plain list, "
    "are in nobody's parameters() and never train",
    "softmax_outputs": "outputs sum to one: the loss applies softmax a second time",
    "random_evaluation": "the same input gives other outputs in evaluation mode",
    "mixed_examples": "in evaluation mode a prediction depends on the other examples of its batch",
    "input_independent": "the outputs do not depend on the input",
    "unmixed_tokens": "an attention passes nothing from one token to another",
    "constant_predictions": "one class is predicted for everything",
    "untouched_initialiser": "an initialiser of the model's own changes nothing when it is called",
    "fixed_seed": "the model sets a seed itself: folds and repeats start alike, or all steps draw "
    "the same",
    "changed_process": "the trial changed the named thing for its whole process; its own numbers "
    "may come from that, those of no other trial do",
    "changed_names": "the model's file keeps something between models under the named name, such "
    "as a cache; each model was built from a fresh import all the same",
    "shared_examples": "the same content, or the same group, lies in two roles of a fold",
    "unkept_state": "a part of the model could not be kept with the chosen epoch, so that test and "
    "validation may belong to different models",
}
"""Code in `findings`, without what follows a colon -> what it means."""


class Findings(NamedTuple):
    """What went wrong.

    Attributes:
        statuses: Status -> number of configurations.
        failed: Configurations with an error of their own.
        codes: A probe's code -> configurations with it.
        identical: Groups with the same log in every epoch and fold.
        impossible: Configurations with an accuracy that is no whole number of examples.
    """

    statuses: dict[str, int]
    failed: tuple[Configuration, ...]
    codes: dict[str, tuple[Configuration, ...]]
    identical: tuple[tuple[Configuration, ...], ...]
    impossible: tuple[Configuration, ...]


def findings(results: BenchmarkResults) -> Section:
    """Return the section."""
    found = compute(results)
    blocks: list[Text | Table] = [Text(f"{note}.") for note in results.notes]
    others = {status: n for status, n in found.statuses.items() if status != "complete"}
    if others:
        text = ", ".join(f"{amount:,} {status}" for status, amount in sorted(others.items()))
        blocks.append(Text(f"Not complete: {text}. They are listed below the leaderboard."))
    if "pruned" in found.statuses:
        blocks += [Text(f"{pruned_text(results)}."), pruned_table(results)]
    if found.failed:
        blocks.append(_error_table(found.failed))
    if found.codes:
        blocks.append(_code_table(found))
    blocks += [Text(_identical_text(group, results)) for group in found.identical[:MOST_NAMED]]
    if found.impossible:
        text = (
            f"{_few(found.impossible)}: an accuracy times its number of examples is no whole "
            "number, so the tables were changed or belong to other data."
        )
        blocks.append(Text(text))
    nothing = Text("No trial failed and no probe found anything.")
    return section(KEY, TITLE, *(blocks or [nothing]))


def compute(results: BenchmarkResults) -> Findings:
    """Collect statuses, failures, the probes' findings and results that look copied."""
    codes: dict[str, list[Configuration]] = {}
    for configuration in results.configurations:
        for code in (configuration.row.get("findings") or "").split(","):
            if code.strip():
                codes.setdefault(code.strip(), []).append(configuration)
    return Findings(
        statuses=dict(Counter(configuration.status for configuration in results.configurations)),
        failed=tuple(
            configuration
            for configuration in results.configurations
            if configuration.status == "failed"
        ),
        codes={code: tuple(configurations) for code, configurations in codes.items()},
        identical=_identical(results),
        impossible=_impossible(results),
    )


def _identical(results: BenchmarkResults) -> tuple[tuple[Configuration, ...], ...]:
    """Return groups with equal logs; only those with equal losses are compared by epoch."""
    if len(results.complete) < 2:
        return ()
    losses = results.scores("val_loss").to_numpy(dtype=float)
    by_id = {configuration.trial_id: configuration for configuration in results.complete}
    known = {
        configuration.trial_id: row
        for configuration, row in zip(results.complete, losses, strict=True)
        if row.size and not np.isnan(row).any()
    }
    suspects = {trial_id for group in identical_logs(known) for trial_id in group}
    if not suspects:
        return ()
    rows = results.epochs(sorted(suspects)).sort_values(["stage", *FOLD, "epoch"])
    logs = {
        str(trial_id): of_trial[[*FOLD, "epoch", "train_loss", "val_loss"]].to_numpy(float)
        for trial_id, of_trial in rows.groupby("trial_id")
    }
    ordered = {
        configuration: logs[configuration] for configuration in by_id if configuration in logs
    }
    return tuple(
        tuple(by_id[configuration] for configuration in group) for group in identical_logs(ordered)
    )


def _impossible(results: BenchmarkResults) -> tuple[Configuration, ...]:
    folds = results.folds
    wrong = np.zeros(len(folds), bool)
    for split, size in (("val", "n_validation"), ("test", "n_test")):
        if f"{split}_accuracy" in folds.columns:
            right = folds[f"{split}_accuracy"].to_numpy(float) * folds[size].to_numpy(float)
            wrong |= np.abs(right - np.round(right)) > ROUNDING * np.maximum(1.0, np.abs(right))
    ids = set(folds.loc[wrong, "trial_id"])
    return tuple(
        configuration for configuration in results.complete if configuration.trial_id in ids
    )


def _identical_text(group: Sequence[Configuration], results: BenchmarkResults) -> str:
    differing = [
        name
        for path, name in results.names.items()
        if len({value_text(configuration.params[path]) for configuration in group}) > 1
    ]
    text = f"{_few(group)} have the same log in every epoch and fold"
    if differing:
        return f"{text} though they differ in {', '.join(differing)}, which does nothing here."
    return f"{text}: one may be a copy."


def _few(configurations: Sequence[Configuration]) -> str:
    shown = ", ".join(configuration.name for configuration in configurations[:MOST_NAMED])
    hidden = len(configurations) - MOST_NAMED
    return f"{shown} and {hidden:,} more" if hidden > 0 else shown


def _error_table(failed: tuple[Configuration, ...]) -> Table:
    counts = Counter(
        str(configuration.row.get("error") or "no message") for configuration in failed
    )
    first = {
        str(configuration.row.get("error") or "no message"): configuration
        for configuration in reversed(failed)
    }
    rows = tuple(
        (Cell(f"{amount:,}", amount), Cell(error), Cell(f"logs/{first[error].trial_id}.txt"))
        for error, amount in counts.most_common()
    )
    columns = (Column("trials", numeric=True), Column("error"), Column("log of one, in the run"))
    return Table(columns, rows)


def _code_table(found: Findings) -> Table:
    rows = tuple(
        (
            Cell(code),
            Cell(MEANINGS.get(code.partition(":")[0], "")),
            Cell(plural(len(configurations), "configuration")),
            Cell(_few(configurations)),
        )
        for code, configurations in found.codes.items()
    )
    columns = (Column("finding"), Column("meaning"), Column("in"), Column("which"))
    return Table(columns, rows)
