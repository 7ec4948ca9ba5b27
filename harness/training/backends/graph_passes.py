"""Fewer operations that give the same, to the last digit.

Batching rules and autograd look at a tensor in one way after another. Such views are most of what a
small model does, and each takes as long to call as a product.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from harness.training.backends.tracer import (
    Geometry,
    Operation,
    Recording,
    geometry,
)
from harness.training.torch_internals import memory_key


def simplified(recording: Recording) -> Recording:
    """The same computation on inputs of the same shapes and strides, every view taken once.

    Each is taken of what holds the memory; of tensors that are neither inputs nor made on the way,
    before the run: those are taken to stay where they lie.
    """
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
                operations.append(_strided(base, view))
            elif key not in seen:
                seen[key] = base.detach().as_strided(*key[1])
            same[id(view)] = seen[key]
            bases[id(view)] = bases[id(seen[key])] = base
    return replace(recording, operations=operations, outputs=_replaced(recording.outputs, same))


def _is_view(operation: Operation) -> bool:
    source = operation.arguments[0] if operation.arguments else None
    return (
        isinstance(source, Tensor)
        and not operation.writes
        and all(
            isinstance(one, Tensor)
            and memory_key(one) == memory_key(source)
            and one.dtype == source.dtype
            and not (one.is_neg() or one.is_conj())
            for one in operation.outputs
        )
    )


def _strided(base: Tensor, view: Tensor) -> Operation:
    """The operation that takes a view of the tensor whose memory it lies in."""
    shape, strides, offset = geometry(view)
    arguments = (base, list(shape), list(strides), offset)
    return Operation(torch.ops.aten.as_strided.default, arguments, {}, (view,))


def _with(operation: Operation, same: dict[int, Tensor]) -> Operation:
    arguments, named = _replaced([operation.arguments, operation.named], same)
    return replace(operation, arguments=arguments, named=named)


def _replaced(nested: Any, same: dict[int, Tensor]) -> Any:
    return tree_map(lambda leaf: same.get(id(leaf), leaf), nested)
