"""Printing one text; names and errors in it come from files, so a terminal only shows them."""

import click

from harness.sanitize import printable


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """`click.echo` of a text without control characters. err: to stderr. nl: a newline follows."""
    click.echo(printable(str(text)), err=err, nl=nl)
