"""Whether a model that was just built is its own: no tensor of it belongs to another model."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from torch import Tensor, nn
from torch.multiprocessing import reductions

StorageWeakRef: Any = reductions.StorageWeakRef


class SharedStorage(Exception):
    """A model holds tensors of one that was built before; the text says which."""


# The storages of all models that this process has built and that still live, by address. Weak
# references keep an address from being used again, so equal ones mean one storage.
_built: dict[int, Any] = {}


def refuse_shared_storage(model: nn.Module) -> None:
    """Raises SharedStorage where a parameter or buffer lies where one of an earlier model does.

    Folds that share one would train it together, on each other's validation examples.
    """
    mine: dict[int, Any] = {}
    for name, tensor in _tensors(model):
        storage = StorageWeakRef(tensor.untyped_storage())
        other = _built.get(storage.cdata)
        if other is not None and not other.expired():
            raise SharedStorage(
                f"{name} is one tensor in several models, which would train together: "
                "make it anew in each call of build"
            )
        mine[storage.cdata] = storage
    _forget_the_dead()
    _built.update(mine)


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if tensor.device.type != "meta" and not nn.parameter.is_lazy(tensor) and tensor.numel():
            yield name, tensor


def _forget_the_dead() -> None:
    for address in [address for address, one in _built.items() if one.expired()]:
        del _built[address]
