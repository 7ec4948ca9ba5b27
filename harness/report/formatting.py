"""Format numbers, values and names as they are printed, in every format of the report."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.duration_text import duration
from harness.metrics import METRICS
from harness.report.blocks import Cell
from harness.statistics.intervals import Estimate

NOTHING = "–"


def number(value: float | None, digits: int = 4) -> str:
    """Return `0.9413`; a dash if there is no value."""
    return NOTHING if is_missing(value) else f"{value:z.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 4) -> str:
    """Return `+0.0120`; a dash if there is no value."""
    return NOTHING if is_missing(value) else f"{value:+z.{digits}f}".replace("-", "−")


def estimate_text(estimate: Estimate, digits: int = 4) -> str:
    """Return `0.9413 [0.9200, 0.9626]`, or the mean alone if there is no interval."""
    mean = number(estimate.mean, digits)
    if estimate.low is None or estimate.high is None:
        return mean
    return f"{mean} [{number(estimate.low, digits)}, {number(estimate.high, digits)}]"


def estimate_cell(estimate: Estimate) -> Cell:
    """Return a cell `0.9413 ± 0.0213` that sorts by the mean."""
    text = number(estimate.mean)
    if estimate.mean is not None and estimate.high is not None:
        text += f" ± {number(estimate.high - estimate.mean)}"
    return Cell(text, estimate.mean)


def p_text(p: float | None) -> str:
    """Return three digits, or `< 0.001`."""
    return "< 0.001" if p is not None and p < 0.0005 else number(p, 3)


def interval_text(low: float | None, high: float | None) -> str:
    """Return the bounds of a difference, `[+0.0100, +0.0230]`."""
    return f"[{signed(low)}, {signed(high)}]"


def count(value: float | None) -> str:
    """Return `50,842`; a dash if there is no value."""
    return NOTHING if is_missing(value) else f"{int(value or 0):,}"


def magnitude(value: float | None) -> str:
    """Return `7.47 M`, three figures and their unit; a dash if there is no value."""
    if value is None or is_missing(value):
        return NOTHING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def time_text(seconds: float | None) -> str:
    """Return a span of time in words; a dash if it is not known."""
    return NOTHING if seconds is None or is_missing(seconds) else duration(seconds)


def value_text(value: Any) -> str:
    """Return a parameter's value as text; a dash if it has none."""
    if is_missing(value):
        return NOTHING
    return f"{value:g}" if isinstance(value, float) else str(value)


def params_text(params: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return `num_heads=4, lr=0.001` of the parameters in `names` that a configuration has."""
    parts = [
        f"{name}={value_text(params[path])}"
        for path, name in names.items()
        if not is_missing(params.get(path))
    ]
    return ", ".join(parts) or "the file as it is"


def readable(
    params: Mapping[str, Mapping[str, Any]], null_choices: Collection[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """Return the parameters of each configuration as a reader expects them.

    A null that was chosen becomes `none`. A mapping becomes its `name`, else the names of its keys,
    `time_shift + mixup`, written out as `time_shift(fraction=0.5) + mixup(alpha=0.4)` if another
    mapping has the same names.

    Args:
        params: Trial id -> path -> value; mappings are JSON text.
        null_choices: (trial id, path) where null is a choice of the space.
    """
    found: dict[str, dict[str, Any]] = {
        trial_id: {
            path: "none" if is_missing(value) and (trial_id, path) in null_choices else value
            for path, value in one.items()
        }
        for trial_id, one in params.items()
    }
    for path in {path for one in found.values() for path in one}:
        mappings = {one[path]: held for one in found.values() if (held := _mapping(one.get(path)))}
        told = {text: _names_of(mapping) for text, mapping in mappings.items()}
        if len(set(told.values())) < len(told):
            told = {text: _written_out(mapping) for text, mapping in mappings.items()}
        for one in found.values():
            one |= {path: told[one[path]]} if one.get(path) in told else {}
    return found


def _names_of(mapping: Mapping[str, Any]) -> str:
    return str(mapping["name"]) if "name" in mapping else " + ".join(mapping)


def _written_out(mapping: Mapping[str, Any]) -> str:
    if "name" in mapping:
        rest = {key: value for key, value in mapping.items() if key != "name"}
        return _with_options(str(mapping["name"]), rest)
    return " + ".join(_with_options(key, value) for key, value in mapping.items())


def _with_options(name: str, value: Any) -> str:
    """Return `mixup(alpha=0.4)` of a mapping, `padding=4` of a plain value."""
    if not isinstance(value, Mapping):
        return f"{name}={json.dumps(value) if isinstance(value, list) else value_text(value)}"
    options = ", ".join(_with_options(key, one) for key, one in value.items())
    return f"{name}({options})" if options else name


def _mapping(value: Any) -> dict[str, Any]:
    """Return the mapping that a JSON text holds; empty for any other value."""
    if not isinstance(value, str) or not value.startswith("{"):
        return {}
    try:
        told = json.loads(value)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Return path -> its last part, or the whole path if two of them end alike."""
    ends = [path.rpartition(".")[2] for path in paths]
    return {
        path: end if ends.count(end) == 1 else path for path, end in zip(paths, ends, strict=True)
    }


def metric_name(metric: str) -> str:
    """Return a metric's name as prose, such as `macro F1` for `macro_f1`."""
    return METRICS[metric].title if metric in METRICS else metric.replace("_", " ")


def plural(amount: int, noun: str, nouns: str = "") -> str:
    """Return `1 fold` or `4 folds`; `nouns` is a plural that does not end in a mere s."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {nouns or noun + 's'}"


def listed(texts: Sequence[str]) -> str:
    """Return `4, 2 and 16`."""
    return " and ".join([part for part in (", ".join(texts[:-1]), texts[-1]) if part])


def against_baseline(differing: int, others: int) -> str:
    """Say how many of the others can be told apart from the baseline."""
    if others == 1:
        return (
            "The other one differs from the baseline"
            if differing
            else ("No difference seen between the other one and the baseline")
        )
    if not differing:
        return f"No difference seen between any of the {others:,} others and the baseline"
    verb = "differs" if differing == 1 else "differ"
    return f"{differing:,} of the {others:,} others {verb} from the baseline"


def is_missing(value: Any) -> bool:
    """Return whether a table's cell is null."""
    return value is None or (isinstance(value, float) and math.isnan(value))
