"""Checks that need torch: every distinct model of a plan, built once before anything starts.

Also how much of a file of initial weights fits it, and whether its precision is to be had.
"""

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
from harness.config.checks import PATH, weights_file
from harness.data.dataset_checks import argument_shape
from harness.engine.resolve import Resolved, names_file
from harness.errors import BenchError, Problem, SpecError
from harness.plugins import catalog
from harness.user_code_errors import USER_CODE_ERRORS, named

if TYPE_CHECKING:
    from harness.training.initial_weights import Match
    from harness.training.model_summary import Layer, ModelCounts

TRAINABLE = "training.trainable"
MOST_ENTRIES_LEFT_OUT = 4  # names of a file of weights that a note lists; a ViT has hundreds
MOST_ENTRIES_OF_FILE = 3  # and that a mistake lists, with their shapes


@dataclass(frozen=True)
class DistinctModel:
    """A model as some configurations build it: its file, arguments and input.

    Attributes:
        key: Equal for configurations that build the same model.
        entry: The model's file.
        arguments: Of `build`, beside its input and its number of classes.
        input_shape: Of one example, without the batch.
        input_dtype: Of the inputs.
        num_classes: Of the dataset.
        params: The searched paths of `model` and their values.
        variant: The first of the file that builds it.
    """

    key: str
    entry: catalog.Entry
    arguments: Mapping[str, Any]
    input_shape: tuple[int, ...]
    input_dtype: str
    num_classes: int
    params: Mapping[str, Any]
    variant: str | None = None

    @property
    def call(self) -> dict[str, Any]:
        """What every function that builds it is given."""
        return {
            "arguments": self.arguments,
            "input_shape": self.input_shape,
            "num_classes": self.num_classes,
        }


def distinct_models(configurations: Sequence[Resolved]) -> list[DistinctModel]:
    """Return one model per different call of `build`, in plan order."""
    models: dict[str, DistinctModel] = {}
    for resolved in configurations:
        key = model_key(resolved)
        if key not in models:
            models[key] = _distinct(key, resolved)
    return list(models.values())


def model_key(resolved: Resolved) -> str:
    """Name the call of `build` that a configuration makes."""
    description = resolved.description
    given = {name: argument_shape(value) for name, value in description.model_arguments.items()}
    described = [description.input_shape, len(description.class_names), given]
    return json.dumps([resolved.config["model"], *described], sort_keys=True, default=str)


def check_models(spec: BenchmarkSpec, models: Sequence[DistinctModel]) -> "dict[str, ModelCounts]":
    """Build each model without data.

    Only ValueError from `build` is a mistake of the file (with `tpe`, which samples later, if it
    refuses all of them); anything else a model does is its trial's failure, kept as a row.

    Returns:
        Model key -> its counts, of those that could be counted.

    Raises:
        SpecError: With every impossible model at once, each message once.
    """
    from harness.training.model_summary import check_model

    problems: dict[tuple[str, str | None], Problem] = {}
    counts: dict[str, ModelCounts] = {}
    some_built = False
    for entry, of_file in groupby(models, key=lambda model: model.entry):
        with builder(entry) as build:
            for model in of_file:
                message = check_model(build, **model.call, input_dtype=model.input_dtype)
                if message:
                    problems.setdefault((message, model.variant), _problem(spec, model, message))
                    continue
                some_built = True
                if (counted := _counts(build, model)) is not None:
                    counts[model.key] = counted
    if problems and not (some_built and spec.search.algorithm == "tpe"):
        raise SpecError(problems.values())
    return counts


def check_precision(
    spec: BenchmarkSpec, configurations: Sequence[Resolved], *, gpus: bool = True
) -> None:
    """Check that trials which ask for tf32 get a GPU; needs no torch.

    Args:
        spec: The benchmark.
        configurations: What is to be trained.
        gpus: Whether there is a GPU to be shared; True where that is not known.

    Raises:
        SpecError: A trial with tf32 would train on the CPU.
    """
    asking = [
        resolved
        for resolved in configurations
        if resolved.config["training"].get("precision") == "tf32"
    ]
    if not asking or (gpus and spec.resources.gpu > 0):
        return
    why = "a trial has one where resources.gpu is above 0" if gpus else "this machine has none"
    problem = spec.problem(
        "training.precision",
        f"tf32 needs a GPU: {why}",
        found="tf32",
        allowed="float32, bf16",
        variant=asking[0].variant,
        value="tf32",
    )
    raise SpecError([problem])


def has_gpu() -> bool:
    """Return whether this machine has a GPU that torch can use."""
    import torch

    return torch.cuda.is_available()


def check_initial_weights(spec: BenchmarkSpec, configurations: Sequence[Resolved]) -> list[str]:
    """Check that files of weights fit the models that are to start from them.

    Returns:
        How much of each file fits each distinct model, in words.

    Raises:
        SpecError: All at once, for files that can't be read or that fit in no entry, and for
            models without a head where one is needed.
    """
    problems: dict[str, Problem] = {}
    lines: dict[str, None] = {}
    for resolved, path, value in _distinct_starts(configurations):
        model = distinct_models([resolved])[0]
        is_file = path != TRAINABLE and names_file(value)
        try:
            head = _head(model)
            if is_file:
                lines[_match_in_words(value, model, _match(value, model, head))] = None
        except (BenchError, ValueError) as error:
            place, details = (path, {"value": value}) if is_file else ("model.name", {})
            problem = spec.problem(place, str(error), variant=resolved.variant, **details)
            problems.setdefault(str(error), problem)
        except Exception:  # what else a model raises becomes its trials' failed rows
            continue
    if problems:
        raise SpecError(problems.values())
    return list(lines)


@dataclass(frozen=True)
class InspectedModel:
    """What `check --models` shows of a model, found without data."""

    layers: "Sequence[Layer]"
    line: str


def inspect_model(model: DistinctModel) -> InspectedModel:
    """Return the layers, parameters, memory and multiply-adds of one model.

    Raises:
        BenchError: The model breaks in a way that a run would note as a failed trial.
    """
    from harness.training.model_summary import layer_table

    try:
        with builder(model.entry) as build:
            layers = layer_table(build, **model.call, input_dtype=model.input_dtype)
    except USER_CODE_ERRORS as error:
        place = _last_line_of(model.entry.file, error)
        text = f"{model.entry.label}{place}: {named(error)}"
        raise BenchError(f"{text}; in a run its trials would fail") from error
    memory_mb = sum(layer.memory_mb for layer in layers)
    text = f"{describe_model(model)}; {memory_mb:.2f} MB forward and backward per example"
    return InspectedModel(layers, text)


def describe_model(model: DistinctModel) -> str:
    """Put the parameters and multiply-adds of one model into words."""
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
    """Give the file's `build` to a block that leaves nothing in this process and prints nothing.

    Raises:
        BenchError: The file can't be imported.
    """
    from harness.training.model_file import ModelFile
    from harness.training.process_state import unchanged_process

    with unchanged_process(), _silence():
        file = ModelFile(entry)
        file.load()
        yield file.build


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop what a model prints while it is built, also what it writes past Python.

    It would stand inside the answer of `--json`.
    """
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


def _counts(build: Callable[..., Any], model: DistinctModel) -> "ModelCounts | None":
    """Count a model; None where it raises what becomes its trial's failed row."""
    from harness.training.model_summary import count

    try:
        return count(build, **model.call, input_dtype=model.input_dtype)
    except USER_CODE_ERRORS:
        return None


def _distinct(key: str, resolved: Resolved) -> DistinctModel:
    description = resolved.description
    arguments = {name: value for name, value in resolved.config["model"].items() if name != "name"}
    return DistinctModel(
        key=key,
        entry=resolved.model,
        arguments={**arguments, **description.model_arguments},
        input_shape=tuple(description.input_shape),
        input_dtype=description.input_dtype,
        num_classes=len(description.class_names),
        params={path: v for path, v in resolved.params.items() if path.startswith("model.")},
        variant=resolved.variant,
    )


def _problem(spec: BenchmarkSpec, model: DistinctModel, message: str) -> Problem:
    """Place a model's message at the line of the first hyper-parameter that it names.

    Searched ones come first. The line is of the variant that builds the model.
    """
    mentioned = [name for name in re.findall(r"\w+", message) if name in model.arguments]
    paths = [f"model.{name}" for name in mentioned]
    given = {
        path
        for variant in spec.variants
        if variant.name == model.variant
        for path in variant.origins
    }
    searched = [path for path in paths if path in model.params]
    written = [path for path in paths if path in given]
    path = next(iter((*searched, *written, *model.params)), "model.name")
    values = ", ".join(f"{path}={value}" for path, value in model.params.items())
    found = values if searched or not written else None  # else no searched value is to blame
    text = f"{model.entry.label}: {message}"
    return spec.problem(path, text, variant=model.variant, found=found or None)


def _last_line_of(file: Path, error: BaseException) -> str:
    """Return `:12`, the last line of a file that an error passed; empty without one."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    return f":{lines[-1]}" if lines else ""


def _distinct_starts(configurations: Sequence[Resolved]) -> list[tuple[Resolved, str, str]]:
    """List (configuration, path, value) for each model and each start that asks for its head."""
    distinct: dict[tuple[str, str, str], Resolved] = {}
    for resolved in configurations:
        training = resolved.config["training"]
        pretraining = resolved.config.get("pretraining", {})
        starts = {
            PATH: training.get("initial_weights"),
            TRAINABLE: training.get("trainable"),
            "pretraining.initial_weights": pretraining.get("initial_weights"),
        }
        for path, value in starts.items():
            if value not in (None, "random", "all"):
                distinct.setdefault((model_key(resolved), path, value), resolved)
    return [(resolved, path, value) for (_, path, value), resolved in distinct.items()]


def _head(model: DistinctModel) -> frozenset[str]:
    from harness.training.initial_weights import head_entries

    with builder(model.entry) as build:
        return head_entries(build, **model.call)


def _match(value: str, model: DistinctModel, head: frozenset[str]) -> "Match":
    from harness.training.initial_weights import entry_shapes, match
    from harness.training.weights_io import read_state

    given = {name: tuple(entry.shape) for name, entry in read_state(weights_file(value)).items()}
    with builder(model.entry) as build:
        own = entry_shapes(build, **model.call)
    matched = match(own, given, head)
    if not matched.fitting:
        shapes = list(given.items())[:MOST_ENTRIES_OF_FILE]
        held = ", ".join(f"{name} {shape}" for name, shape in shapes)
        raise BenchError(
            f"{value}: none of its {len(given)} entries fits {model.entry.label} by name and "
            f"shape; it holds {held}"
        )
    return matched


def _match_in_words(value: str, model: DistinctModel, matched: "Match") -> str:
    total = len(matched.fitting) + len(matched.left_out)
    left = ", ".join(matched.left_out[:MOST_ENTRIES_LEFT_OUT])
    more = " ..." if len(matched.left_out) > MOST_ENTRIES_LEFT_OUT else ""
    text = f"{weights_file(value).name}: {len(matched.fitting)} of {total} entries of"
    return f"{text} {model.entry.label} start from it; random: {left}{more}"
