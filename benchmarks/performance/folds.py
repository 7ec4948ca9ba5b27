"""Training steps of k folds: one model after the other, and all as one batched model.

For every shipped model, on one thread, both ways in one process and in turn: the medians of the
time that the thread computed, and the median of their ratios. What else the machine does changes
the times, and the ratios little. Data are random; a step's time does not depend on them.

    python benchmarks/performance/folds.py [--folds 4] [--batch-sizes 16,32,64] [--seconds 4]
"""

import argparse
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median

import numpy as np
import torch

from harness.config.sections import Training
from harness.data.types import Fold, FoldInputs, TrialData
from harness.training.backends import loop
from harness.training.backends.batched import vectorized
from harness.training.backends.batched.model_ensemble import stack_of
from harness.training.backends.fold_run import epoch_batches
from harness.training.types import TrainingJob
from harness.training.worker_setup import prepare_process

# model, its arguments, the shape of an example; ids where the shape is one number
QUICKSTART = {"width": 32, "depth": 2, "hidden_dim": 64, "dropout": 0.0}
MODELS = {
    "vit, quickstart, patch 4": ("vit", {**QUICKSTART, "patch_size": 4}, (1, 8, 8)),
    "vit, quickstart, patch 2": ("vit", {**QUICKSTART, "patch_size": 2}, (1, 8, 8)),
    "vit, CIFAR-10, depth 2": ("vit", {"depth": 2, "hidden_dim": 96}, (3, 32, 32)),
    "text_transformer": ("text_transformer", {"vocabulary_size": 2000}, (40,)),
    "bag_of_tokens": ("bag_of_tokens", {"vocabulary_size": 2000}, (40,)),
    "linear": ("linear", {}, (1, 8, 8)),
    "conv1d_transformer, 8,000 samples": ("conv1d_transformer", {}, (1, 8000)),
    "conv1d_channel_transformer, 2,000 samples": ("conv1d_channel_transformer", {}, (1, 2000)),
    "conv1d, 8,000 samples": ("conv1d", {}, (1, 8000)),
    "conv1d_adaptive, 2,000 samples": ("conv1d_adaptive", {}, (1, 2000)),
    "logmel_cnn, 32 x 64": ("logmel_cnn", {}, (1, 32, 64)),
    "cifar_cnn": ("cifar_cnn", {}, (3, 32, 32)),
    "resnet18": ("resnet18", {}, (3, 32, 32)),
}
FEWEST_ROUNDS = 3


def main() -> None:
    """Measures and prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--batch-sizes", default="16,32,64")
    parser.add_argument("--seconds", type=float, default=4.0, help="per model and batch size")
    parser.add_argument("--only", default="", help="models whose line contains this")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--fast-operators", action="store_true")
    options = parser.parse_args()
    prepare_process(threads=1, device=options.device, fast_operators=options.fast_operators)
    sizes = [int(size) for size in options.batch_sizes.split(",")]
    print(
        "| model | batch size | loop, ms | one model, ms | times as fast |\n|---|--:|--:|--:|--:|"
    )
    for label, (name, arguments, shape) in MODELS.items():
        for size in sizes if options.only in label else ():
            job = job_of(name, arguments, shape, size=size, options=options)
            alone_ms, together_ms, ratio = measured(job, seconds=options.seconds)
            line = f"{label} | {size} | {alone_ms:.1f} | {together_ms:.1f} | {ratio:.2f}"
            print(f"| {line} |", flush=True)


def measured(job: TrainingJob, *, seconds: float) -> tuple[float, float, float]:
    """Milliseconds of a step of all folds in both ways, and how many times as fast the second."""
    alone, together = loop.start(job), vectorized.start(job)
    batches = [next(iter(epoch_batches(run, 1))) for run in alone]
    stack = stack_of(together)
    ways = (lambda: step_alone(alone, batches), lambda: vectorized.trial_step(stack, batches))
    for way in (*ways, *ways):
        way()
    times: list[tuple[float, float]] = []
    until = time.perf_counter() + seconds
    while len(times) < FEWEST_ROUNDS or time.perf_counter() < until:
        turn = (0, 1) if len(times) % 2 else (1, 0)  # who comes first changes every time
        taken = {which: timed(ways[which], job.device) for which in turn}
        times.append((taken[0], taken[1]))
    alone_s, together_s = (median(column) for column in zip(*times, strict=True))
    return alone_s * 1e3, together_s * 1e3, median(a / b for a, b in times)


def step_alone(runs: list, batches: list) -> None:
    for run, (inputs, targets) in zip(runs, batches, strict=True):
        loop.step(run, inputs, targets, lr=run.job.training.lr)


def timed(way: Callable[[], None], device: torch.device) -> float:
    """Seconds that this thread computed; on a GPU those until it has finished."""
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.thread_time
    if on_gpu:
        torch.cuda.synchronize(device)
    started = clock()
    way()
    if on_gpu:
        torch.cuda.synchronize(device)
    return clock() - started


def job_of(name: str, arguments: dict, shape: tuple, *, size: int, options) -> TrainingJob:
    """Training of a shipped model on random data, Adam, one batch to an epoch."""
    random = np.random.default_rng(0)
    n = size * options.folds
    ids = len(shape) == 1
    inputs = random.integers(0, 2000, (n, *shape)) if ids else random.normal(size=(n, *shape))
    everything = np.arange(n)
    folds = tuple(
        Fold(1, k + 1, None, everything[k :: options.folds], everything[:4], everything[:0], "")
        for k in range(options.folds)
    )
    data = TrialData(
        inputs=(inputs if ids else inputs.astype(np.float32),),
        targets=np.arange(n) % 10,
        example_ids=everything.astype(str),
        class_names=tuple("abcdefghij"),
        folds=folds,
        fold_inputs=(FoldInputs(),) * options.folds,
    )
    return TrainingJob(
        training=Training(epochs=1, batch_size=size, optimizer="adam", lr=1e-3),
        data=data,
        folds=tuple(range(options.folds)),
        build=import_module(f"models.{name}").build,
        model_arguments=arguments,
        objective="accuracy",
        seed=0,
        device=torch.device(options.device),
    )


if __name__ == "__main__":
    main()
