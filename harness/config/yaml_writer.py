"""Values back to YAML text that reads back to the same values."""

import re
from typing import Any

import yaml

from harness.config.yaml_scalars import FLOAT, INTEGER, NOT_FINITE

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def dump(value: Any, *, flow: bool = False) -> str:
    """YAML text that `parse` reads back to an equal value."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100 if not flow else 10**6,
        default_flow_style=flow,
    )
    return text


def show(value: Any) -> str:
    """A value as the file would spell it, at most 60 characters of it."""
    if isinstance(value, float):
        return repr(value)
    text = dump(value, flow=True).removesuffix("\n").removesuffix("\n...").replace("\n", " ")
    text = text.strip() or "''"
    return text if len(text) <= 60 else text[:57] + "..."


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Quotes exactly the text that `plain_value` would read as something else."""

    yaml_implicit_resolvers: dict[str | None, list[Any]] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_list(dumper: Any, data: Any) -> Any:
    inline = not any(isinstance(item, dict) for item in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=inline or None)


def _teach(dumper: Any) -> None:
    for tag, pattern, first in (
        ("null", re.compile(r"^(~|null|)$"), ["~", "n", ""]),
        ("merge", re.compile(r"^(<<)$"), ["<"]),
        ("bool", re.compile(r"^(true|false)$"), ["t", "f"]),
        ("int", re.compile(rf"^({INTEGER.pattern})$"), list("-+0123456789")),
        (
            "float",
            re.compile(rf"^({FLOAT.pattern}|{NOT_FINITE.pattern})$"),
            list("-+.0123456789"),
        ),
    ):
        dumper.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, first)
    dumper.add_representer(list, _represent_list)
    dumper.add_representer(tuple, _represent_list)


_teach(_Dumper)
