"""Which configuration a selector means: a trial id's start, or `param=value,…`."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import BenchError, nearest
from harness.report.study import Configuration
from harness.report.wording import value_text


def select(
    selector: str | Mapping[str, Any], configurations: Sequence[Configuration], *, asked: bool
) -> Configuration | None:
    """The first configuration, in their order, that the selector means and that is complete.

    Raises BenchError, with what there is, where none is meant; for a selector of the file (not
    asked) that names a configuration which is not complete yet, the answer is None.
    """
    found = [one for one in configurations if _means(selector, one)]
    complete = [one for one in found if one.place]
    if complete:
        return complete[0]
    if not asked:
        return None
    if found:
        raise BenchError(f"baseline {selector!r}: that configuration is {found[0].status}")
    hint = _hint(selector, configurations)
    raise BenchError(f"baseline {selector!r} is no configuration here{hint}")


def _means(selector: str | Mapping[str, Any], one: Configuration) -> bool:
    if isinstance(selector, str) and "=" not in selector:
        return one.trial_id.startswith(selector) or one.params.get("variant") == selector
    return all(value_text(value) == _value(name, one) for name, value in _wanted(selector))


def _wanted(selector: str | Mapping[str, Any]) -> list[tuple[str, Any]]:
    if not isinstance(selector, str):
        return list(selector.items())
    pairs = [part.partition("=") for part in selector.split(",")]
    return [(name.strip(), _parsed(value.strip())) for name, _, value in pairs]


def _parsed(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _value(name: str, one: Configuration) -> str | None:
    for path, value in one.params.items():
        if name in (path, path.rpartition(".")[2]):
            return value_text(value)
    return None


def _hint(selector: str | Mapping[str, Any], configurations: Sequence[Configuration]) -> str:
    labels = [one.label for one in configurations if one.place]
    guess = nearest(selector if isinstance(selector, str) else str(selector), labels)
    if guess:
        return f"; did you mean {guess!r}?"
    return f"; such as {labels[0]!r}" if labels else "; none is complete"
