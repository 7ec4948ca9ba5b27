"""Where the numbers come from, and the command that makes them again."""

import json
from collections.abc import Sequence
from typing import Any

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import Cell, Code, Column, Section, Table, Text, section
from harness.report.formatting import is_missing, time_text

FACTS = ("device", "git_commit", "data_fingerprint", "code_fingerprint", "fold_execution", "seed")


def provenance(results: BenchmarkResults) -> Section:
    """Return the section."""
    columns = (Column("what"), Column("value"))
    rows = tuple((Cell(name), Cell(value)) for name, value in compute(results))
    return section(
        "provenance",
        "Provenance",
        Table(columns, rows),
        Text("The same trials again, from the file with every default written out:"),
        Code(command(results)),
        Code(results.resolved, folded="The resolved benchmark file"),
        Text("The best model on validation as a folder that predicts by itself, and what it says:"),
        Code(export_commands(results)),
    )


def compute(results: BenchmarkResults) -> list[tuple[str, str]]:
    """Return (fact, value), or all its values if trials differ."""
    rows = [configuration.row for configuration in results.configurations if configuration.row]
    facts = [("run", results.run_id), ("results", results.folder.name)]
    facts += [(name.replace("_", " "), _values([row.get(name) for row in rows])) for name in FACTS]
    times = [row["fit_time_s"] for row in rows if not is_missing(row.get("fit_time_s"))]
    facts.append(("training, all trials", time_text(sum(times)) if times else "–"))
    ends = [row["finished_at"] for row in rows if _is_time(row.get("finished_at"))]
    if ends:
        facts.append(("last trial finished", f"{max(ends):%Y-%m-%d %H:%M} UTC"))
    versions = [_versions(row.get("versions")) for row in rows]
    facts.append(("versions", _values(versions)))
    return facts


def command(results: BenchmarkResults) -> str:
    """Return shell lines that run the resolved file under the benchmark's name."""
    run = results.run_id if results.run_id != "all" else "<run>"
    source = f"results/{results.name}/runs/{run}/benchmark.yaml"
    return f"cp {source} {results.name}.yaml\nbench run {results.name}.yaml"


def export_commands(results: BenchmarkResults) -> str:
    """Return shell lines that export the best model and predict with it."""
    best = next(
        (configuration for configuration in results.configurations if configuration.place == 1),
        None,
    )
    kept = best is not None and (results.folder / "weights" / best.trial_id).is_dir()
    again = (
        ""
        if kept
        else f"bench run {results.name} weights=all --force  # its weights are not kept\n"
    )
    folder = f"{results.name}_model"
    return f"{again}bench export {results.name} --out {folder}\nbench predict {folder} INPUTS"


def _values(values: Sequence[Any]) -> str:
    distinct = sorted({str(value) for value in values if not is_missing(value)})
    return "; ".join(distinct) or "–"


def _versions(text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    return ", ".join(f"{name} {version}" for name, version in json.loads(text).items())


def _is_time(value: Any) -> bool:
    return value is not None and value == value  # NaT is not itself
