"""`bench prepare`: downloads a dataset into the data folder and checks it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.cli.terminal import data_option, echo

EPILOG = """\b
examples:
  bench prepare esc50 --data ~/data
  bench prepare emotion
"""


@click.command("prepare", epilog=EPILOG)
@click.argument("dataset")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@data_option
def command(dataset: str, options: tuple[str, ...], data: Path | None) -> None:
    """Download DATASET and check it; what is already there is left alone."""
    from data_prep.examples import DataError
    from harness.cli.progress import download_progress
    from harness.data.paths import default_data_root
    from harness.errors import BenchError
    from harness.plugins import catalog

    entry, root = catalog.find("dataset", dataset), default_data_root(data)
    arguments = dataset_arguments(entry, options)
    module = catalog.load(entry)
    try:
        with download_progress(dataset) as progress:
            module.prepare(root, **arguments, **_accepted(module.prepare, progress=progress))
        files = list(module.files(root, **arguments))
    except (DataError, OSError) as error:
        raise BenchError(f"dataset {dataset}: {error}") from error
    number = f"{len(files):,} file{'' if len(files) == 1 else 's'}"
    inside = all(file.resolve().is_relative_to(root.resolve()) for file in files)
    echo(f"{dataset}: {number} ready in {root if inside else files[0].parent}")
    if checked := getattr(module, "CHECKED", None):
        echo(f"{dataset}: {checked}")


def _accepted(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Return those of the arguments that the function takes."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in known}


def dataset_arguments(entry: Any, options: tuple[str, ...]) -> dict[str, Any]:
    """Return the dataset's own options as typed, checked.

    Raises:
        BenchError: An option is unknown, wrong or lacking; the message has the nearest name.
    """
    from harness.config.yaml_io import parse_value
    from harness.errors import BenchError, nearest
    from harness.plugins import catalog

    known = catalog.signature(entry).arguments
    arguments = {}
    for option in options:
        name, _, text = option.partition("=")
        if name not in known:
            close = nearest(name, list(known))
            hint = f"; did you mean {close!r}?" if close else ""
            there = f"known: {', '.join(known)}" if known else "it takes none"
            raise BenchError(f"{entry.label} has no option {name!r}; {there}{hint}")
        try:
            arguments[name] = known[name].check(parse_value(text))
        except ValueError as error:
            raise BenchError(f"{name}: {error}; found {text!r}") from None
    lacking = [
        name for name, argument in known.items() if argument.required and name not in arguments
    ]
    if lacking:
        raise BenchError(f"{entry.label} needs {', '.join(f'{name}=…' for name in lacking)}")
    return arguments
