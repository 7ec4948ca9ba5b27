"""What must agree between `pretraining` and `training.initial_weights`; reads no weights."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.config.checks import contradictions
from harness.config.pretraining import PRETRAINED, RANDOM, Pretraining
from harness.config.problems import Problems
from harness.config.space import Choice
from harness.config.variants import Draft
from harness.config.yaml_reader import KeyPath
from harness.errors import nearest

PATH = "training.initial_weights"
ALLOWED = f"{PRETRAINED}, {RANDOM}, or the path of a file with a state dict"


def check_pretraining(
    section: Pretraining | None, drafts: Sequence[Draft], problems: Problems
) -> None:
    """Keys that contradict each other, weights that are not there, pretraining for nobody.

    section: None also where the file's own has mistakes, which are noted already.
    """
    if section is not None:
        _check_section(section, problems)
    given = problems.document.value.get("pretraining") is not None
    starts = [(value, at) for draft in drafts for value, at in _starts(draft)]
    noted = len(problems.found)
    for value, at in starts:
        _check_start(value, at, problems, given=given)
    misspelled = len(problems.found) > noted
    uses = any(value in (None, PRETRAINED) for value, _ in starts)
    if given and starts and not uses and not misspelled:
        text = f"no configuration starts from it: let {PATH} be {PRETRAINED}, or leave this out"
        problems.add(("pretraining",), text)


def weights_file(value: str) -> Path:
    """The file that a value of `training.initial_weights` names."""
    return Path(value).expanduser()


def _check_section(section: Pretraining, problems: Problems) -> None:
    training = section.model_dump(mode="json")
    for path, text, found in contradictions(
        training, section.momentum, section.warmup_epochs, section.schedule
    ):
        problems.add(("pretraining", path.partition(".")[2]), text, found=found)
    start = section.initial_weights
    if start is not None and not weights_file(start).is_file():
        at = ("pretraining", "initial_weights")
        problems.add(at, "no such file", found=repr(start), allowed="a file with a state dict")


def _starts(draft: Draft) -> Iterator[tuple[Any, KeyPath]]:
    """Every value of `training.initial_weights` that a variant takes, and where it stands."""
    parameter = draft.space.parameter_of(PATH)
    if parameter is None:
        place = draft.fixed_at.get(PATH, ("training", "initial_weights"))
        yield draft.fixed.get(PATH), place
        return
    domain = parameter.column(PATH)
    if isinstance(domain, Choice):
        for index, value in enumerate(domain.values):
            yield value, (*draft.searched_at[PATH], index)


def _check_start(value: Any, at: KeyPath, problems: Problems, *, given: bool) -> None:
    if value == RANDOM or not isinstance(value, str):
        return
    if value == PRETRAINED:
        if not given:
            text = "there is nothing to start from: the file has no `pretraining` section"
            problems.add(at, text, found=PRETRAINED)
        return
    if not weights_file(value).is_file():
        text = "no such file" if Path(value).suffix or "/" in value else "not a valid value"
        close = nearest(value, (PRETRAINED, RANDOM))
        problems.add(at, text, found=repr(value), allowed=ALLOWED, nearest=close)
