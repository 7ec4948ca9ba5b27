"""Neighbouring operations that torch has one for, done as that one.

A rule looks at an operation and at the makers of what it reads, where nobody else needs them; it
gives what to do in the place of each.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from harness.training.executions.recording import (
    Operation,
    Recording,
    geometry,
    strided,
    tensors_in,
)

aten = torch.ops.aten

Join = list[tuple[Operation, list[Operation]]]  # in the place of an operation, others or none


def joined(recording: Recording) -> Recording:
    """Operations that torch has one for become that one."""
    operations = recording.operations
    read = [one for operation in operations for one in operation.read()]
    facts = _Facts(
        makers={id(one): operation for operation in operations for one in operation.made()},
        n_readers=Counter(map(id, [*read, *tensors_in(recording.outputs)])),
        written=recording.written(),
    )
    instead: dict[int, list[Operation]] = {}
    for operation in operations:
        for rule in _RULES:
            join = rule(operation, facts) or []
            if not any(id(one) in instead for one, _ in join):
                instead |= {id(one): others for one, others in join}
    kept = [one for operation in operations for one in instead.get(id(operation), [operation])]
    return replace(recording, operations=kept)


@dataclass(frozen=True, eq=False)
class _Facts:
    """makers: of each tensor; n_readers: of each, the outputs among them; written: memories."""

    makers: dict[int, Operation]
    n_readers: Counter[int]
    written: set[int]

    def alone(self, tensor: Any, *functions: Any) -> Operation | None:
        """The operation, one of the functions, that made the tensor for a single reader."""
        maker = self.makers.get(id(tensor)) if isinstance(tensor, Tensor) else None
        if maker is None or maker.function not in functions or self.n_readers[id(tensor)] > 1:
            return None
        return None if maker.memories() & self.written else maker


def _product_and_sum(operation: Operation, facts: _Facts) -> Join | None:
    """a @ b + c"""
    for product, other in _summands(operation):
        maker = facts.alone(product, aten.bmm.default)
        if maker is not None:
            arguments = (other, *maker.arguments)
            sum_of = replace(operation, function=aten.baddbmm.default, arguments=arguments)
            return [(operation, [sum_of]), (maker, [])]
    return None


def _scaled_and_shifted(operation: Operation, facts: _Facts) -> Join | None:
    """a * b + c"""
    for scaled, other in _summands(operation):
        maker = facts.alone(scaled, aten.mul.Tensor)
        if maker is not None and _alike(scaled, *maker.arguments):
            arguments = (other, *maker.arguments)
            sum_of = replace(operation, function=aten.addcmul.default, arguments=arguments)
            return [(operation, [sum_of]), (maker, [])]
    return None


def _summands(operation: Operation) -> list[tuple[Tensor, Tensor]]:
    """Both ways round, where the first is as large as the sum and lies like it."""
    if operation.function is not aten.add.Tensor or operation.named:
        return []
    one, other = operation.arguments[:2]
    (total,) = operation.outputs
    return [
        (first, second)
        for first, second in ((one, other), (other, one))
        if _alike(total, first, second) and geometry(first) == geometry(total)
    ]


def _alike(whole: Tensor, *parts: Any) -> bool:
    """Whether all are tensors of one type, some whole one and others spread over it."""
    return whole.is_contiguous() and all(
        isinstance(one, Tensor) and one.dtype == whole.dtype and 0 < one.dim() <= whole.dim()
        for one in parts
    )


def _transposed_product(operation: Operation, facts: _Facts) -> Join | None:
    """A copy of (a @ b).T that lies row by row is b.T @ a.T."""
    turned = _copied_view(operation, facts)
    maker = turned and facts.alone(turned.arguments[0], aten.bmm.default)
    if turned is None or maker is None:
        return None
    left, right = maker.arguments
    if geometry(turned.outputs[0]) != geometry(maker.outputs[0].transpose(1, 2)):
        return None
    flipped = [one.detach().transpose(1, 2) for one in (right, left)]
    turns = [
        Operation(aten.transpose.int, (one, 1, 2), {}, (view,))
        for one, view in zip((right, left), flipped, strict=True)
    ]
    product = Operation(aten.bmm.default, tuple(flipped), {}, operation.outputs)
    return [(maker, [*turns, product]), (turned, []), (operation, [])]


def _pieces_in_place(operation: Operation, facts: _Facts) -> Join | None:
    """A copy of a stack in another order of dimensions takes each piece to its place at once."""
    turned = _copied_view(operation, facts)
    maker = turned and facts.alone(turned.arguments[0], aten.stack.default)
    if turned is None or maker is None:
        return None
    (stack,), (copy,), (view,) = maker.outputs, operation.outputs, turned.outputs
    parts, *dim = maker.arguments
    strides = dict(zip(view.stride(), copy.stride(), strict=True))
    reordered = len(strides) == stack.dim() and _dimensions(view) == _dimensions(stack)
    if not reordered or any(part.dtype != copy.dtype for part in parts):
        return None
    placed = copy.detach().as_strided(stack.shape, [strides[one] for one in stack.stride()])
    made = [Operation(aten.new_empty.default, (parts[0], list(copy.shape)), {}, (copy,))]
    for piece, part in zip(placed.unbind(*dim), parts, strict=True):
        copied = Operation(aten.copy_.default, (piece, part), {}, (piece,))
        made += [strided(copy, piece), copied]
    return [(operation, made), (turned, []), (maker, [])]


def _dimensions(tensor: Tensor) -> list[tuple[int, int]]:
    return sorted(zip(tensor.stride(), tensor.shape, strict=True))


def _copied_view(operation: Operation, facts: _Facts) -> Operation | None:
    """The view that an operation copies to lie row by row."""
    if operation.function is not aten.clone.default or not operation.outputs[0].is_contiguous():
        return None
    return facts.alone(operation.arguments[0], aten.as_strided.default)


_RULES: Sequence[Callable[[Operation, _Facts], Join | None]] = (
    _product_and_sum,
    _scaled_and_shifted,
    _transposed_product,
    _pieces_in_place,
)
