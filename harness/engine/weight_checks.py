"""Whether a file of weights fits the models that are to start from it; needs torch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.config.benchmark import BenchmarkSpec
from harness.config.checks import PATH, weights_file
from harness.engine.model_checks import (
    DistinctModel,
    builder,
    distinct_models,
    model_key,
)
from harness.engine.resolve import Resolved
from harness.engine.weight_hashes import is_file
from harness.errors import BenchError, Problem, SpecError

TRAINABLE = "training.trainable"

if TYPE_CHECKING:
    from harness.training.initial_weights import Match


def check_initial_weights(spec: BenchmarkSpec, configurations: Sequence[Resolved]) -> list[str]:
    """How much of each file fits each distinct model, in words.

    Raises SpecError, all at once, for files that can't be read or that fit in no entry, and for
    models without a head where one is needed.
    """
    problems: dict[str, Problem] = {}
    lines: dict[str, None] = {}
    for one, path, value in _distinct(configurations):
        model = distinct_models([one])[0]
        names_file = path != TRAINABLE and is_file(value)
        try:
            head = _head(model)
            if names_file:
                lines[_line(value, model, _match(value, model, head))] = None
        except (BenchError, ValueError) as error:
            place, said = (path, {"value": value}) if names_file else ("model.name", {})
            problem = spec.problem(place, str(error), variant=one.variant, **said)
            problems.setdefault(str(error), problem)
        except Exception:  # what else a model raises becomes its trials' failed rows
            continue
    if problems:
        raise SpecError(problems.values())
    return list(lines)


def _distinct(configurations: Sequence[Resolved]) -> list[tuple[Resolved, str, str]]:
    """(configuration, path, value) for each model and each start that asks for its head."""
    found: dict[tuple[str, str, str], Resolved] = {}
    for one in configurations:
        training = one.config["training"]
        starts = {
            PATH: training.get("initial_weights"),
            TRAINABLE: training.get("trainable"),
            "pretraining.initial_weights": one.config.get("pretraining", {}).get("initial_weights"),
        }
        for path, value in starts.items():
            if value not in (None, "random", "all"):
                found.setdefault((model_key(one), path, value), one)
    return [(one, path, value) for (_, path, value), one in found.items()]


def _head(model: DistinctModel) -> frozenset[str]:
    from harness.training.initial_weights import head_entries

    with builder(model.entry) as build:
        return head_entries(
            build,
            input_shape=model.input_shape,
            num_classes=model.num_classes,
            arguments=model.arguments,
        )


def _match(value: str, model: DistinctModel, head: frozenset[str]) -> "Match":
    from harness.training.initial_weights import entry_shapes, match
    from harness.training.weights_io import read_state

    given = {name: tuple(entry.shape) for name, entry in read_state(weights_file(value)).items()}
    with builder(model.entry) as build:
        own = entry_shapes(
            build,
            input_shape=model.input_shape,
            num_classes=model.num_classes,
            arguments=model.arguments,
        )
    found = match(own, given, head)
    if not found.fitting:
        named = ", ".join(f"{name} {shape}" for name, shape in list(given.items())[:3])
        raise BenchError(
            f"{value}: none of its {len(given)} entries fits {model.entry.label} by name and "
            f"shape; it holds {named}"
        )
    return found


def _line(value: str, model: DistinctModel, found: "Match") -> str:
    total = len(found.fitting) + len(found.left_out)
    left = ", ".join(found.left_out[:4]) + (" ..." if len(found.left_out) > 4 else "")
    text = f"{weights_file(value).name}: {len(found.fitting)} of {total} entries of"
    return f"{text} {model.entry.label} start from it; random: {left}"
