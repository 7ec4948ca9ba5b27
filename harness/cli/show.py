"""`bench show`: a dataset's card as a page, and in short in the terminal."""

from pathlib import Path
from typing import Any

import click

from harness.cli.terminal import data_option, echo

EPILOG = """\b
examples:
  bench show digits
  bench show esc50 subset=esc10 --data ~/data
  bench show esc50 --cv stratified,n_splits=4 --out card.html
  bench show image_folder path=photos size=32
"""


@click.command("show", epilog=EPILOG)
@click.argument("dataset")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
@data_option
@click.option(
    "--cv",
    metavar="STRATEGY[,KEY=VALUE]...",
    help="How to cut folds; default: what suits the dataset.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default ./<dataset>.html.",
)
def command(
    dataset: str, options: tuple[str, ...], data: Path | None, cv: str | None, out: Path | None
) -> None:
    """Show what is in DATASET: classes, folds, and examples to look at, listen to or read."""
    from harness.data.card import show_dataset
    from harness.data.paths import cache_dir, default_data_root
    from harness.plugins import catalog
    from harness.report.report_writer import write_card
    from harness.report.sections.data_card import words

    entry = catalog.find("dataset", dataset)
    card, shown = show_dataset(
        entry,
        section=_section(entry, options),
        cross_validation=_cross_validation(cv),
        root=default_data_root(data),
        cache_dir=cache_dir(),
    )
    file = write_card(card, shown, name=dataset, out=out or Path(f"{dataset}.html"))
    for line in words(card):
        echo(line)
    for name, number in list(card["counts"].items())[:_SHOWN]:
        echo(f"  {name}  {number:,}")
    if len(card["counts"]) > _SHOWN:
        echo(f"  … and {len(card['counts']) - _SHOWN:,} more classes")
    echo(f"page: {file}")


_SHOWN = 20


def _section(entry: Any, options: tuple[str, ...]) -> Any:
    """Return the dataset section with these options: its own, and those of every dataset."""
    from harness.cli.prepare import dataset_arguments
    from harness.config.sections import DatasetSection
    from harness.config.yaml_io import parse_value
    from harness.engine.checks import COMMON_DATASET_KEYS

    shared = [option for option in options if option.partition("=")[0] in COMMON_DATASET_KEYS[1:]]
    own = dataset_arguments(entry, tuple(option for option in options if option not in shared))
    named = {
        name: parse_value(text) for name, _, text in (option.partition("=") for option in shared)
    }
    return _validated(DatasetSection, {"name": entry.name, **named, **own})


def _cross_validation(text: str | None) -> Any:
    from harness.config.sections import CrossValidation
    from harness.config.yaml_io import parse_value

    if text is None:
        return None
    strategy, *rest = text.split(",")
    pairs = [option.partition("=") for option in rest]
    given = {name.strip(): parse_value(value) for name, _, value in pairs}
    return _validated(CrossValidation, {"strategy": strategy.strip(), **given})


def _validated(section: Any, given: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from harness.errors import BenchError

    try:
        return section.model_validate(given)
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()
        ]
        raise BenchError("; ".join(mistakes)) from None
