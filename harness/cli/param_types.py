"""A word out of a few; a misspelled one gets the nearest."""

from typing import Any

import click

from harness.errors import nearest


class Word(click.Choice[str]):
    """`click.Choice` whose refusal says what was found, what is allowed, and the nearest word."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            close = nearest(str(value), list(self.choices))
            hint = f"; did you mean {close!r}?" if close else ""
            self.fail(f"found {value!r}; allowed: {', '.join(self.choices)}{hint}", param, ctx)
        return super().convert(value, param, ctx)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return f"allowed: {', '.join(self.choices)}"
