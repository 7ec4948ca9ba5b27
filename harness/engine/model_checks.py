"""Every distinct model of a plan, built once before anything starts."""

import contextlib
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.benchmark import BenchmarkSpec
from harness.data.dataset_checks import argument_shape
from harness.engine.resolve import Resolved
from harness.errors import BenchError, Problem, SpecError
from harness.failures import USER_CODE_ERRORS, named
from harness.plugins import catalog

if TYPE_CHECKING:
    from harness.training.model_summary import Layer, ModelCounts


@dataclass(frozen=True)
class DistinctModel:
    """A model as some configurations build it: its file, arguments and input.

    key: equal for configurations that build the same model; params: what the search says of it.
    variant: the first of the file that builds it.
    """

    key: str
    entry: catalog.Entry
    arguments: Mapping[str, Any]
    input_shape: tuple[int, ...]
    input_dtype: str
    num_classes: int
    params: Mapping[str, Any]
    variant: str | None = None


def distinct_models(configurations: Sequence[Resolved]) -> list[DistinctModel]:
    """One entry per different call of `build`, in plan order."""
    found: dict[str, DistinctModel] = {}
    for one in configurations:
        key = model_key(one)
        if key not in found:
            found[key] = _distinct(key, one)
    return list(found.values())


def model_key(one: Resolved) -> str:
    """Names the call of `build` that a configuration makes."""
    given = {name: argument_shape(value) for name, value in one.description.model_arguments.items()}
    described = [one.description.input_shape, len(one.description.class_names), given]
    return json.dumps([one.config["model"], *described], sort_keys=True, default=str)


def check_models(spec: BenchmarkSpec, models: Sequence[DistinctModel]) -> "dict[str, ModelCounts]":
    """Builds each model without data; model key -> its counts, of those that could be counted.

    Raises SpecError with every impossible one at once, each message once. Needs torch. Only
    ValueError from `build` is a mistake of the file (with `tpe`, which draws later, if it refuses
    all of them); anything else a model does is its trial's failure, kept as a row.
    """
    from harness.training.model_summary import check_model

    problems: dict[tuple[str, str | None], Problem] = {}
    counts: dict[str, ModelCounts] = {}
    some_built = False
    for entry, of_file in groupby(models, key=lambda model: model.entry):
        with builder(entry) as build:
            for model in of_file:
                if message := check_model(build, **_call(model)):
                    problems.setdefault((message, model.variant), _problem(spec, model, message))
                    continue
                some_built = True
                if (counted := _counts(build, model)) is not None:
                    counts[model.key] = counted
    if problems and not (some_built and spec.search.algorithm == "tpe"):
        raise SpecError(problems.values())
    return counts


@dataclass(frozen=True)
class InspectedModel:
    """What `check --models` shows of a model, found without data."""

    layers: "Sequence[Layer]"
    line: str


def inspect_model(model: DistinctModel) -> InspectedModel:
    """The layers, parameters, memory and multiply-adds of one model; needs torch.

    Raises BenchError where the model breaks in a way that a run would note as a failed trial.
    """
    from harness.training.model_summary import layer_table

    try:
        with builder(model.entry) as build:
            layers = layer_table(build, **_call(model))
    except USER_CODE_ERRORS as error:
        place = _last_place(error, model.entry.file)
        text = f"{model.entry.label}{place}: {named(error)}"
        raise BenchError(f"{text}; in a run its trials would fail") from error
    memory_mb = sum(layer.memory_mb for layer in layers)
    text = f"{describe_model(model)}; {memory_mb:.2f} MB forward and backward per example"
    return InspectedModel(layers, text)


def _last_place(error: BaseException, file: Path) -> str:
    """`:12`, the last line of the model's file that the error passed; empty without one."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)
             if frame.filename == str(file)]  # fmt: skip
    return f":{lines[-1]}" if lines else ""


def describe_model(model: DistinctModel) -> str:
    """Parameters and multiply-adds of one model in words; needs torch."""
    with builder(model.entry) as build:
        counts = _counts(build, model)
    if counts is None:
        return "can't be counted"
    adds = "unknown" if counts.mult_adds is None else f"{counts.mult_adds:,}"
    trainable = ""
    if counts.n_parameters_trainable != counts.n_parameters:
        trainable = f", {counts.n_parameters_trainable:,} trainable"
    return f"{counts.n_parameters:,} parameters{trainable}, {adds} multiply-adds per example"


@contextlib.contextmanager
def builder(entry: catalog.Entry) -> Iterator[Callable[..., Any]]:
    """The file's `build`, for a block that leaves nothing in this process and says nothing.

    Raises BenchError where the file can't be imported.
    """
    from harness.training.isolation import unchanged_process
    from harness.training.model_file import ModelFile

    with unchanged_process(), _silence():
        file = ModelFile(entry)
        file.load()
        yield file.build


def _counts(build: Callable[..., Any], model: DistinctModel) -> "ModelCounts | None":
    """None where the model raises what becomes its trial's failed row."""
    from harness.training.model_summary import count

    try:
        return count(build, **_call(model))
    except USER_CODE_ERRORS:
        return None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What a model prints while it is looked at is nobody's answer, past Python neither."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _call(model: DistinctModel) -> dict[str, Any]:
    return {
        "arguments": model.arguments,
        "input_shape": model.input_shape,
        "num_classes": model.num_classes,
        "input_dtype": model.input_dtype,
    }


def _distinct(key: str, one: Resolved) -> DistinctModel:
    own = {key: value for key, value in one.config["model"].items() if key != "name"}
    return DistinctModel(
        key=key,
        entry=one.model,
        arguments={**own, **one.description.model_arguments},
        input_shape=tuple(one.description.input_shape),
        input_dtype=one.description.input_dtype,
        num_classes=len(one.description.class_names),
        params={path: value for path, value in one.params.items() if path.startswith("model.")},
        variant=one.variant,
    )


def _problem(spec: BenchmarkSpec, model: DistinctModel, message: str) -> Problem:
    """At the line of the first hyper-parameter that the message names, searched ones first.

    Of the variant that builds the model.
    """
    named = [name for name in re.findall(r"\w+", message) if name in model.arguments]
    paths = [f"model.{name}" for name in named]
    given = {path for one in spec.variants if one.name == model.variant for path in one.origins}
    searched = [path for path in paths if path in model.params]
    written = [path for path in paths if path in given]
    path = next(iter((*searched, *written, *model.params)), "model.name")
    values = ", ".join(f"{path}={value}" for path, value in model.params.items())
    found = values if searched or not written else None  # else no searched value is to blame
    text = f"{model.entry.label}: {message}"
    return spec.problem(path, text, variant=model.variant, found=found or None)
