"""What the model will be given: the dataset's inputs through the front end, fit to be augmented."""

import json
from collections.abc import Mapping
from typing import Any

from data_prep.examples import Description
from harness.config.benchmark import BenchmarkSpec
from harness.config.expand import RawConfiguration
from harness.config.sections import Augmentation, FrontEnd, misfits
from harness.data.front_end import described
from harness.errors import Problem


def trained_description(
    spec: BenchmarkSpec,
    raw: RawConfiguration,
    description: Description,
    *,
    known: dict[tuple[str | None, ...], Any],
    problems: list[Problem],
) -> Description | None:
    """The description behind `dataset.front_end`; None where the front end can't take the inputs.

    What does not fit, of the front end and of the augmentation, joins `problems`. known: answers
    given before, since many configurations of a variant share their inputs.
    """
    front_end = raw.sections["dataset"].get("front_end")
    key = ("inputs", str(id(description)), json.dumps(front_end, sort_keys=True), raw.variant)
    if key not in known:
        known[key] = _through(spec, raw, description, front_end, problems)
    trained: Description | None = known[key]
    given = raw.sections["training"].get("augmentation")
    pair = (*key, json.dumps(given, sort_keys=True))
    if trained is not None and given is not None and pair not in known:
        known[pair] = True
        problems += _misfits(spec, raw, trained, given, is_spectrogram=front_end is not None)
    return trained


def _through(
    spec: BenchmarkSpec,
    raw: RawConfiguration,
    description: Description,
    front_end: Mapping[str, Any] | None,
    problems: list[Problem],
) -> Description | None:
    if front_end is None:
        return description
    try:
        return described(description, FrontEnd.model_validate(front_end))
    except ValueError as error:
        text = f"{error} (dataset {raw.sections['dataset']['name']})"
        problems.append(spec.problem("dataset.front_end", text, variant=raw.variant))
        return None


def _misfits(
    spec: BenchmarkSpec,
    raw: RawConfiguration,
    description: Description,
    given: Mapping[str, Any],
    *,
    is_spectrogram: bool,
) -> list[Problem]:
    found = misfits(
        Augmentation.model_validate(given),
        tuple(description.input_shape),
        input_dtype=description.input_dtype,
        is_spectrogram=is_spectrogram,
    )
    inputs = f"{tuple(description.input_shape)} of {description.input_dtype}"
    return [
        spec.problem(
            "training.augmentation",
            f"{name} does not fit these inputs: {reason}",
            variant=raw.variant,
            found=f"inputs {inputs} (dataset {raw.sections['dataset']['name']})",
        )
        for name, reason in found
    ]
