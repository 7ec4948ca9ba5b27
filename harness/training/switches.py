"""What torch, NumPy and Python keep for a whole process or thread and compute by: its switches."""

import gc
import locale
import os
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch

_C: Any = torch._C  # its stubs lack much of this
_RANDOM: Any = np.random
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


@dataclass(frozen=True)
class Switch:
    """One thing that a process keeps. read: its value, to be compared; put: sets it to that value.

    put: None where only a new process gets rid of another value.
    harmless: it reaches no number once it is put back, so that nobody needs to know.
    """

    name: str
    read: Callable[[], Any]
    put: Callable[[Any], object] | None = None
    harmless: bool = False


@cache
def switches() -> tuple[Switch, ...]:
    """All of them, in the order in which they are put back."""
    return (*_torch_modes(), *_torch_settings(), *_libraries(), *_surroundings())


def read_all() -> tuple[Any, ...]:
    """The value of each, in their order."""
    return tuple(_read(switch) for switch in switches())


def restore(before: Iterable[Any], *, harmless: bool = True) -> None:
    """Sets those that differ to the values that `read_all` gave; the harmless ones if asked to."""
    for switch, value in zip(switches(), before, strict=True):
        if switch.harmless and not harmless:
            continue
        if switch.put is not None and _read(switch) != value:
            switch.put(value)


def _read(switch: Switch) -> Any:
    try:
        return switch.read()
    except Exception as error:  # such as old and new precision settings mixed, or no directory
        return f"{type(error).__name__}: {error}"


def _torch_modes() -> Iterable[Switch]:
    """Modes of the thread; inference before gradients, which it switches too."""
    yield Switch(
        "inference mode",
        torch.is_inference_mode_enabled,
        lambda value: _enter(torch.inference_mode(mode=value)),
    )
    yield Switch("grad mode", torch.is_grad_enabled, _C._set_grad_enabled)
    yield Switch("forward gradients", _C._is_fwd_grad_enabled, _C._set_fwd_grad_enabled)
    yield Switch("default device", _default_device, torch.set_default_device)
    yield Switch("torch function modes", _C._len_torch_function_stack, _pop_function_modes)
    yield Switch("torch dispatch modes", _C._len_torch_dispatch_stack, _pop_dispatch_modes)
    yield Switch("torch functions that classes override", _C._get_torch_function_state)
    yield Switch("saved tensor hooks", _saved_tensor_hooks, _pop_saved_tensor_hooks)
    yield Switch("torch.func transforms", lambda: _C._functorch.peek_interpreter_stack() is None)
    for device in _DEVICE_TYPES:
        yield Switch(
            f"autocast on {device}",
            partial(torch.is_autocast_enabled, device),
            partial(torch.set_autocast_enabled, device),
        )
        yield Switch(
            f"autocast dtype on {device}",
            partial(torch.get_autocast_dtype, device),
            partial(torch.set_autocast_dtype, device),
        )
    yield Switch(
        "autocast cache", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled
    )
    yield Switch("autocast nesting", _autocast_nesting, _leave_autocast)
    yield Switch(
        "anomaly detection",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda value: torch.set_anomaly_enabled(*value),
    )
    yield Switch(
        "flushing of small numbers",
        lambda: _TINY * _ONE == 0.0,
        lambda value: torch.set_flush_denormal(value),
    )


def _torch_settings() -> Iterable[Switch]:
    """Settings of the process."""
    yield Switch("default dtype", torch.get_default_dtype, torch.set_default_dtype)
    yield Switch(
        "deterministic algorithms",
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    )
    yield Switch("threads", torch.get_num_threads, torch.set_num_threads)
    yield Switch("threads between operators", torch.get_num_interop_threads)
    yield Switch(
        "float32 matmul precision",
        _C._get_float32_matmul_precision,
        _C._set_float32_matmul_precision,
    )
    yield Switch("cudnn tf32", _C._get_cudnn_allow_tf32, _C._set_cudnn_allow_tf32)
    for backend, op in _PRECISIONS:  # after those two, which set some of these
        yield Switch(
            f"float32 precision of {backend} {op}",
            partial(_C._get_fp32_precision_getter, backend, op),
            partial(_C._set_fp32_precision_setter, backend, op),
        )
    for name, stem in _NAMED.items():
        read, put = getattr(_C, f"_get_{stem}", None), getattr(_C, f"_set_{stem}", None)
        if read is not None and put is not None:
            yield Switch(name, read, put)
    for name in _ATTENTION:
        read = getattr(_C, f"_get_{name}_sdp_enabled", None)
        put = getattr(_C, f"_set_sdp_use_{name}", None)
        if read is not None and put is not None:
            yield Switch(f"{name} attention", read, put)
    for name in ("enabled", "strategy"):
        yield Switch(
            f"opt_einsum {name}",
            partial(getattr, torch.backends.opt_einsum, name),
            partial(setattr, torch.backends.opt_einsum, name),
        )
    yield Switch("operators replaced by torch.library", _replaced_operators)


def _libraries() -> Iterable[Switch]:
    yield Switch("NumPy's error handling", np.geterr, lambda value: np.seterr(**value))
    yield Switch("NumPy's random generator", _RANDOM.get_bit_generator, _RANDOM.set_bit_generator)
    yield Switch("Python's random generator", lambda: getattr(random.random, "__self__", None))
    yield Switch(
        "locale",
        lambda: locale.setlocale(locale.LC_ALL),
        lambda value: locale.setlocale(locale.LC_ALL, value),
    )


def _surroundings() -> Iterable[Switch]:
    yield Switch("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, harmless=True)
    yield Switch("environment", lambda: dict(os.environ), _put_environment, harmless=True)
    yield Switch("working directory", os.getcwd, os.chdir, harmless=True)
    yield Switch("sys.path", lambda: tuple(sys.path), _put_search_path, harmless=True)
    yield Switch("warnings", lambda: tuple(warnings.filters), _put_warnings, harmless=True)
    yield Switch(
        "garbage collection",
        lambda: (gc.isenabled(), gc.get_threshold()),
        _put_garbage_collection,
        harmless=True,
    )


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


def _put_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _put_search_path(before: tuple[str, ...]) -> None:
    sys.path[:] = before


def _put_warnings(before: tuple[Any, ...]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _put_garbage_collection(before: tuple[bool, tuple[int, int, int]]) -> None:
    enabled, threshold = before
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
