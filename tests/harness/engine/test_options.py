"""One list of options, for the command, for Python and for what runs."""

import inspect
from dataclasses import fields
from pathlib import Path

from harness import api
from harness.cli.run import command
from harness.engine.options import RunOptions

OF_THE_RUN = [field for field in fields(RunOptions) if field.name not in ("file", "overrides")]


def test_the_command_offers_every_option_of_a_run() -> None:
    """In its order and with its default, before what is the terminal's alone."""
    options = {option.name: option.default for option in command.params[2:]}

    assert [*options] == [*(field.name for field in OF_THE_RUN), "quiet", "as_json"]
    assert all(options[field.name] == field.default for field in OF_THE_RUN)


def test_python_offers_every_option_of_a_run() -> None:
    """Under the same name and with the same default."""
    offered = inspect.signature(api.run).parameters

    assert [*offered] == ["file", "overrides", *(field.name for field in OF_THE_RUN), "quiet"]
    assert Path(offered["results"].default) == Path("results")
    assert not any(offered[field.name].default for field in OF_THE_RUN[1:])


def test_tracking_is_an_override() -> None:
    options = RunOptions("quickstart", ("repeats=2",), tracking="wandb,mlflow")

    assert options.all_overrides == ("repeats=2", "tracking=[wandb,mlflow]")
