"""Training steps of shipped models with torch's operators, and with `training.fast_operators`.

    python benchmarks/performance/kernels.py [--rounds 3]

Processes of one thread in turn, with and without; milliseconds that the thread computed for a step,
the fastest of each process, after steps enough for its memory to settle.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from importlib import import_module

import torch
from torch.nn import functional as F

from harness.data.memory import available_memory_bytes
from harness.data.paths import available_cores
from harness.training.fast_operators import use_fast_operators
from harness.training.torch_internals import keep_freed_memory
from harness.training.worker_setup import kept_tensor_bytes

# label -> model, its arguments, the shape of an example, batch size
MODELS = {
    "conv1d, a clip of 5 s": ("conv1d", {}, (1, 144_000), 16),
    "conv1d_adaptive, a clip of 5 s": ("conv1d_adaptive", {}, (1, 144_000), 4),
    "conv1d_transformer, 4 heads, a clip of 5 s": (
        "conv1d_transformer", {"num_heads": 4}, (1, 144_000), 4,
    ),
    "vit, CIFAR-10": ("vit", {}, (3, 32, 32), 32),
    "vit, CIFAR-10, patches of 8": ("vit", {"patch_size": 8}, (3, 32, 32), 32),
    "vit, quickstart, patches of 2": (
        "vit", {"width": 32, "depth": 2, "hidden_dim": 64, "patch_size": 2}, (1, 8, 8), 32,
    ),
    "cifar_cnn": ("cifar_cnn", {}, (3, 32, 32), 32),
}  # fmt: skip
WARM_STEPS, STEPS, SECONDS = 8, 5, 2.0  # at least


def main() -> None:
    """Prints a table in Markdown and, last, one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", choices=("torch", "faster"), help=argparse.SUPPRESS)
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(step_ms(options.model, faster=options.measure == "faster"))
        return
    spent: dict[str, dict[str, list[float]]] = {}
    print("| a step of | torch's, ms | faster, ms | times as fast |\n|---|--:|--:|--:|")
    for label in MODELS:
        spent[label] = {"torch": [], "faster": []}
        for _ in range(options.rounds):
            for way, times in spent[label].items():
                times.append(asked(label, way))
        own, faster = (statistics.median(times) for times in spent[label].values())
        print(f"| {label} | {own:.0f} | {faster:.0f} | {own / faster:.2f} |", flush=True)
    print(json.dumps(spent))


def asked(label: str, way: str) -> float:
    """The same from a process of its own."""
    command = [sys.executable, __file__, "--measure", way, "--model", label]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def step_ms(label: str, *, faster: bool) -> float:
    """Forward, backward and Adam on one batch of random numbers."""
    torch.set_num_threads(1)
    keep_freed_memory(kept_tensor_bytes(available_memory_bytes(), n_workers=available_cores()))
    if faster:
        use_fast_operators()
    name, arguments, shape, size = MODELS[label]
    model = import_module(f"models.{name}").build(input_shape=shape, num_classes=10, **arguments)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    inputs, targets = torch.randn(size, *shape), torch.randint(0, 10, (size,))
    times: list[float] = []
    while len(times) < WARM_STEPS + STEPS or sum(times) < SECONDS:
        started = time.thread_time()
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        times.append(time.thread_time() - started)
    return min(times[WARM_STEPS:]) * 1e3


if __name__ == "__main__":
    main()
