"""Fewer operations that give the same: what torch asks for step by step, in one.

Batching rules and autograd spell a computation out in small steps. Of those on small tensors most
take as long to call as to do. Rounding may differ in the last digit, nothing else.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from harness.training.executions.joins import joined
from harness.training.executions.recording import (
    Geometry,
    Operation,
    Recording,
    geometry,
    memory,
    strided,
    tensors_in,
)


def simplified(recording: Recording) -> Recording:
    """The same computation on inputs of the same shapes and strides.

    Tensors that are neither inputs nor made on the way are taken to stay where they lie.
    """
    recording = _without_ones(_views_once(recording))
    recording = joined(_views_once(recording))
    return _needed(_views_once(recording))


def _views_once(recording: Recording) -> Recording:
    """Every view is taken of what holds the memory, and once; of what stays, before the run."""
    inputs = {id(tensor) for tensor in recording.inputs}
    made = {id(one) for operation in recording.operations for one in operation.made()}
    bases: dict[int, Tensor] = {}
    same: dict[int, Tensor] = {}
    seen: dict[tuple[int, Geometry], Tensor] = {}
    operations = []
    for operation in recording.operations:
        read = _with(operation, same)
        if not _is_view(operation):
            operations.append(read)
            continue
        source = read.arguments[0]
        base = bases.get(id(source), source)
        if id(base) in inputs and any(geometry(one) != geometry(base) for one in read.outputs):
            operations.append(read)  # an input may lie at another offset the next time
            inputs |= {id(one) for one in read.outputs}
            continue
        for view in read.outputs:
            key = (id(base), geometry(view))
            if key not in seen and key[1] == geometry(base):
                seen[key] = base
            elif key not in seen and id(base) in made:
                seen[key] = view
                operations.append(strided(base, view))
            elif key not in seen:
                seen[key] = base.detach().as_strided(*key[1])
            same[id(view)] = seen[key]
            bases[id(view)] = bases[id(seen[key])] = base
    return replace(recording, operations=operations, outputs=_replaced(recording.outputs, same))


def _is_view(operation: Operation) -> bool:
    if operation.function is torch.ops.aten.as_strided.default:
        return True  # maybe of what has taken the place of its source
    source = operation.arguments[0] if operation.arguments else None
    return (
        isinstance(source, Tensor)
        and not operation.writes
        and all(
            isinstance(one, Tensor)
            and memory(one) == memory(source)
            and one.dtype == source.dtype
            and not (one.is_neg() or one.is_conj())
            for one in operation.outputs
        )
    )


def _without_ones(recording: Recording) -> Recording:
    """Nothing is multiplied by one."""
    written = recording.written()
    same: dict[int, Tensor] = {}
    operations = []
    for operation in recording.operations:
        read = _with(operation, same)
        if _multiplies_by_one(read) and not read.memories() & written:
            same[id(read.outputs[0])] = read.arguments[0]
        else:
            operations.append(read)
    return replace(recording, operations=operations, outputs=_replaced(recording.outputs, same))


def _multiplies_by_one(operation: Operation) -> bool:
    if operation.function is not torch.ops.aten.mul.Scalar or operation.arguments[1] != 1:
        return False
    given, made = operation.arguments[0], operation.outputs[0]
    return given.dtype == made.dtype and geometry(given) == geometry(made)


def _needed(recording: Recording) -> Recording:
    """Without operations whose results nobody reads."""
    needed = {id(one) for one in tensors_in(recording.outputs)}
    kept = []
    for operation in reversed(recording.operations):
        draws = torch.Tag.nondeterministic_seeded in operation.function.tags
        if operation.writes or draws or any(id(one) in needed for one in operation.made()):
            kept.append(operation)
            needed |= {id(one) for one in operation.read()}
    return replace(recording, operations=kept[::-1])


def _with(operation: Operation, same: dict[int, Tensor]) -> Operation:
    arguments, named = _replaced([operation.arguments, operation.named], same)
    return replace(operation, arguments=arguments, named=named)


def _replaced(nested: Any, same: dict[int, Tensor]) -> Any:
    return tree_map(lambda leaf: same.get(id(leaf), leaf), nested)
