"""Everything of torch (and of the C library) that is used here without being promised to anyone.

Tried with torch 2.11.0. Each function says why it is needed and what happens where a later torch no
longer has what it touches: a training gets slower, or a change that a trial makes is no longer
noticed; no number becomes another one.
"""

import ctypes
import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.multiprocessing import reductions
from torch.optim import Optimizer

_C: Any = torch._C  # its stubs lack much of this

# Torch's compiler. Torch wraps some functions so that its compiler leaves them alone. The wrapper's
# first call imports the compiler, most of a second for every process, only to tell it so.

_COMPILER = "torch._dynamo"


def keep_compiler_out(*wrapped: Callable[..., Any]) -> None:
    """Let the wrapped functions call what they wrap, without importing torch's compiler.

    Sets `__dynamo_disable`, which `torch._disable_dynamo` looks up in the function that it wraps.
    Gone: the compiler is imported, and a process starts as much later.
    """
    for wrapper in wrapped:
        function: Any = getattr(wrapper, "__wrapped__", None)
        if function is not None and not hasattr(function, "__dynamo_disable"):
            function.__dynamo_disable = function


@contextmanager
def without_compiler() -> Iterator[None]:
    """Do the same for whatever is called meanwhile; who needs the compiler gets it.

    A stand-in lies in `sys.modules` in place of `torch._dynamo`. Gone: nobody asks for it.
    """
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = _StandIn(_COMPILER)
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        stand_in.leave()


class _StandIn(ModuleType):
    """Answers wrapped functions as if they had been told; all else it leaves to the compiler."""

    def disable(self, function: Any, *_: Any, **__: Any) -> Any:
        return function

    def leave(self) -> None:
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]

    def __getattr__(self, name: str) -> Any:
        self.leave()
        return getattr(import_module(_COMPILER), name)


# Functions without what torch wraps around them.


def unwrapped_step(optimizer: Optimizer) -> Callable[[Optimizer], Any]:
    """Return the optimizer's `step` without its wrappers, to be called with the optimizer.

    The wrappers serve graph capture and profiling, import torch's compiler, and cost a small model
    a tenth of its training. They mark what they wrap as `__wrapped__`. Gone: the wrapped step is
    returned, which does the same.
    """
    step: Callable[[Optimizer], Any] = inspect.unwrap(type(optimizer).step)
    return step


def seen_through(function: Any) -> Callable[..., Any]:
    """Return a function of torch that is not handed over whole to a mode, which sees what it calls.

    A copy with other globals: in them `has_torch_function` finds nobody who wants the whole. Gone:
    the function is handed over whole, a batched model then trains otherwise than the loop or not at
    all, and its folds train in the loop.
    """
    inside = {**function.__globals__, "has_torch_function": lambda tensors: False}
    copied = FunctionType(function.__code__, inside, function.__name__, function.__defaults__)
    copied.__kwdefaults__ = function.__kwdefaults__
    return copied


_TORCH = Path(torch.__file__).parent
_WRAPPERS = tuple(
    str(_TORCH / place) for place in ("optim/optimizer.py", "_compile.py", "_dynamo/")
)
_MUTATION_GUARD = str(_TORCH / "_dynamo" / "mutation_guard.py")


def is_wrapped_by_torch(new: Any, old: Any) -> bool:
    """Return whether torch put a function in the place of another one.

    It wraps the steps of optimizers that are made, and more where something is compiled; told by
    the file that the wrapper comes from. Gone: what torch wraps is taken for a trial's change, and
    is put back.
    """
    file = getattr(getattr(new, "__code__", None), "co_filename", "")
    wraps = file.startswith(_WRAPPERS) and inspect.unwrap(new) is inspect.unwrap(old)
    return wraps or file == _MUTATION_GUARD


_are_transforms_active = getattr(_C, "_are_functorch_transforms_active", lambda: True)


def is_transformed() -> bool:
    """Return whether `torch.func` or forward differentiation is at work.

    Operators of our own know neither. Gone: taken to be at work, so that torch's operators train.
    """
    transformed: bool = _are_transforms_active()
    return transformed or getattr(forward_ad, "_current_level", 0) >= 0


def is_stacked(tensor: Tensor) -> bool:
    """Return whether `torch.func.vmap` stacked a tensor.

    Gone: none is taken for stacked, batched models look as if they used foreign tensors, and folds
    train in the loop.
    """
    is_batched: Callable[[Tensor], bool] = getattr(
        _C._functorch, "is_batchedtensor", lambda tensor: False
    )
    return is_batched(tensor)


def tensor_accessor(name: str) -> Any:
    """Return what reads (`__get__`) and writes (`__set__`) an attribute that torch keeps in C.

    A `TorchFunctionMode` receives these where a model asks for the attribute. Gone: a property that
    nobody uses, so that what a model asks for is no longer noticed.
    """
    return vars(_C.TensorBase).get(name, property())


# Operators that are replaced for a whole process.


def replace_operators(
    kernels: Mapping[str, Callable[[Any], Any]], *, differentiated: Iterable[str]
) -> Any:
    """Have operators computed by other kernels on CPUs, for as long as what is returned lives.

    Args:
        kernels: Name of an aten operator -> makes its kernel from torch's own, which takes the
            dispatcher's keys first.
        differentiated: Those that torch leaves to what they consist of, which are replaced for
            autograd too.

    Returns:
        What `restore_operators` takes; it holds the kernels.

    Raises:
        AttributeError: `torch.library.get_kernel` is gone; a file that asks for
            `training.fast_operators` fails, all others train.
    """
    make_library: Any = torch.library.Library
    library = make_library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # replacing a kernel is what is meant
        for name, kernel in kernels.items():
            own = torch.library.get_kernel(f"aten::{name}", "CPU")
            for key in ("CPU", "AutogradCPU") if name in differentiated else ("CPU",):
                library.impl(name, kernel(own), key, with_keyset=True)
    return library


def restore_operators(library: Any) -> None:
    """Take back what `replace_operators` did. Gone: the kernels stay until the library is freed."""
    if hasattr(library, "_destroy"):
        library._destroy()


# Memory of tensors.


def memory_key(tensor: Tensor) -> int:
    """Return what names the memory that a tensor lies in, as long as that lives.

    The address of its storage's description; unlike `data_ptr` it also tells memories without any
    bytes apart. It can't be gone while `StorageWeakRef` is there.
    """
    key: int = tensor.untyped_storage()._cdata
    return key


def memory_reference(tensor: Tensor) -> Any:
    """Return a weak reference to a tensor's memory: `.cdata` is its key, `.expired()` its end.

    While it is there no other memory gets the same key. Torch's loaders keep memory that processes
    share in it.
    """
    reference: Any = reductions.StorageWeakRef
    return reference(tensor.untyped_storage())


# Settings that torch keeps for a process or thread, and a trial may leave behind.


class TorchSwitch(NamedTuple):
    """One setting. read: its value, to be compared; put: sets it to that value.

    put: None where only a new process gets rid of another value.
    """

    name: str
    read: Callable[[], Any]
    put: Callable[[Any], object] | None = None


_DEVICE_TYPES = ("cpu", "cuda")
_NAMED = {
    "matmul precision on CPUs": "onednn_allow_tf32",
    "cudnn": "cudnn_enabled",
    "cudnn benchmark": "cudnn_benchmark",
    "deterministic cudnn": "cudnn_deterministic",
    "mkldnn": "mkldnn_enabled",
    "deterministic mkldnn": "mkldnn_deterministic",
    "nnpack": "nnpack_enabled",
    "fp16 reduction on CPUs": "cpu_allow_fp16_reduced_precision_reduction",
    "fp16 accumulation": "cublas_allow_fp16_accumulation",
    "filling of uninitialised memory": "deterministic_fill_uninitialized_memory",
    "quantized engine": "qengine",
}
_ATTENTION = ("flash", "mem_efficient", "math", "cudnn", "overrideable")
_COMPUTES = re.compile(r"aten/.*/(Autograd|Autocast)?(CPU|CUDA)?")  # operator / dispatch key
_PRECISIONS = (
    ("generic", "all"),
    *((backend, op) for backend in ("cuda", "mkldnn") for op in ("all", "conv", "rnn", "matmul")),
)
_TINY, _ONE = 1e-310, 1.0  # a product that is 0 where small numbers are flushed

_entered: list[Any] = []  # guards that were entered to put a mode back, and stay


def torch_switches() -> Iterator[TorchSwitch]:
    """Yield torch's modes and settings in the order in which they are put back.

    Most have no public way to be read. One that is gone is left out: what a trial leaves of it is
    no longer noticed.
    """
    yield from _modes()
    yield from _settings()


def _modes() -> Iterator[TorchSwitch]:
    """Modes of the thread; inference before gradients, which it switches too."""
    yield TorchSwitch(
        "inference mode",
        torch.is_inference_mode_enabled,
        lambda value: _enter(torch.inference_mode(mode=value)),
    )
    yield TorchSwitch("grad mode", torch.is_grad_enabled, _C._set_grad_enabled)
    yield from _of_c("forward gradients", "_is_fwd_grad_enabled", "_set_fwd_grad_enabled")
    yield TorchSwitch("default device", _default_device, torch.set_default_device)
    yield TorchSwitch("torch function modes", _C._len_torch_function_stack, _pop_function_modes)
    yield TorchSwitch("torch dispatch modes", _C._len_torch_dispatch_stack, _pop_dispatch_modes)
    yield from _of_c("torch functions that classes override", "_get_torch_function_state")
    yield TorchSwitch("saved tensor hooks", _saved_tensor_hooks, _pop_saved_tensor_hooks)
    yield TorchSwitch(
        "torch.func transforms", lambda: _C._functorch.peek_interpreter_stack() is None
    )
    for device in _DEVICE_TYPES:
        yield TorchSwitch(
            f"autocast on {device}",
            partial(torch.is_autocast_enabled, device),
            partial(torch.set_autocast_enabled, device),
        )
        yield TorchSwitch(
            f"autocast dtype on {device}",
            partial(torch.get_autocast_dtype, device),
            partial(torch.set_autocast_dtype, device),
        )
    yield TorchSwitch(
        "autocast cache", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled
    )
    yield TorchSwitch("autocast nesting", _autocast_nesting, _leave_autocast)
    yield TorchSwitch(
        "anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: torch.set_anomaly_enabled(*value),
    )
    yield TorchSwitch(
        "flushing of small numbers",
        lambda: _TINY * _ONE == 0.0,
        lambda value: torch.set_flush_denormal(value),
    )


def _settings() -> Iterator[TorchSwitch]:
    """Settings of the process."""
    yield TorchSwitch("default dtype", torch.get_default_dtype, torch.set_default_dtype)
    yield TorchSwitch(
        "deterministic algorithms",
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    )
    yield TorchSwitch("threads", torch.get_num_threads, torch.set_num_threads)
    yield TorchSwitch("threads between operators", torch.get_num_interop_threads)
    yield from _of_c(
        "float32 matmul precision",
        "_get_float32_matmul_precision",
        "_set_float32_matmul_precision",
    )
    yield from _of_c("cudnn tf32", "_get_cudnn_allow_tf32", "_set_cudnn_allow_tf32")
    for backend, op in _PRECISIONS:  # after those two, which set some of these
        yield from _of_c(
            f"float32 precision of {backend} {op}",
            "_get_fp32_precision_getter",
            "_set_fp32_precision_setter",
            backend,
            op,
        )
    for name, stem in _NAMED.items():
        yield from _of_c(name, f"_get_{stem}", f"_set_{stem}")
    for name in _ATTENTION:
        yield from _of_c(f"{name} attention", f"_get_{name}_sdp_enabled", f"_set_sdp_use_{name}")
    for name in ("enabled", "strategy"):
        yield TorchSwitch(
            f"opt_einsum {name}",
            partial(getattr, torch.backends.opt_einsum, name),
            partial(setattr, torch.backends.opt_einsum, name),
        )
    yield TorchSwitch("operators replaced by torch.library", _replaced_operators)


def _of_c(
    name: str, reader: str, setter: str | None = None, *arguments: Any
) -> Iterator[TorchSwitch]:
    """A setting by its functions in `torch._C`, where they are there."""
    read, put = getattr(_C, reader, None), getattr(_C, setter, None) if setter else None
    if read is not None and (put is not None or setter is None):
        yield TorchSwitch(name, partial(read, *arguments), put and partial(put, *arguments))


def _enter(guard: Any) -> None:
    guard.__enter__()
    _entered.append(guard)


def _default_device() -> Any:
    """The device, without torch's stand-in for none."""
    mode = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if mode is None else mode.device


def _pop_function_modes(n_before: int) -> None:
    while _C._len_torch_function_stack() > n_before:
        _C._pop_torch_function_stack()


def _pop_dispatch_modes(n_before: int) -> None:
    while _C._len_torch_dispatch_stack() > n_before:
        _C._pop_torch_dispatch_stack(None)


def _saved_tensor_hooks() -> Any:
    return _C._autograd._top_saved_tensors_default_hooks(True)


def _pop_saved_tensor_hooks(before: Any) -> None:
    while _saved_tensor_hooks() not in (before, None):
        _C._autograd._pop_saved_tensors_default_hooks()


def _autocast_nesting() -> int:
    torch.autocast_increment_nesting()
    return int(torch.autocast_decrement_nesting())


def _leave_autocast(n_before: int) -> None:
    """What was cast under an autocast that nobody left would serve for ever."""
    while _autocast_nesting() > n_before:
        torch.autocast_decrement_nesting()
    torch.clear_autocast_cache()


def _replaced_operators() -> frozenset[str]:
    return _computing(len(torch.library._impls))


@cache
def _computing(n_replaced: int) -> frozenset[str]:
    """Without those that torch's compiler registers for its own use when it is imported."""
    return frozenset(name for name in torch.library._impls if _COMPUTES.fullmatch(name))


# malloc, which torch takes the memory of CPU tensors from.

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = -1


def keep_freed_memory(largest_bytes: int) -> None:
    """Have tensors up to this size take the memory of those that were freed before.

    glibc gives what is over 32 MiB back to the system at once, which fills it with zeros again for
    the next tensor: half the time of a convolution on raw audio. What an earlier call kept is given
    back. Gone, or another malloc: memory is given back as that does.
    """
    libc = _glibc()
    if libc is None:
        return
    libc.malloc_trim(0)
    libc.mallopt(_M_MMAP_THRESHOLD, largest_bytes)
    libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


@cache
def _glibc() -> Any:
    """None where malloc is somebody else's."""
    library = ctypes.CDLL(None)
    known = all(hasattr(library, name) for name in ("mallopt", "malloc_trim"))
    return library if known else None
