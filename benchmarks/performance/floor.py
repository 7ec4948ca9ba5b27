"""The least time a benchmark's training could take on this machine, and the distance to it.

    python benchmarks/performance/floor.py quickstart training.epochs=12

Measures what one core multiplies (float32 matrices that fit the cache) and copies (arrays that
don't), then computes from the benchmark file:

    operations = 2 x multiply-adds x (3 x train examples + validation examples) x epochs, + the rest
    floor = operations / peak, or bytes of inputs read / bandwidth, whichever is longer

A backward pass counts as two forward passes. With `--results` the trained seconds of a finished
run stand beside it.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from side_by_side.workload import prepare

MATRIX = 512  # 3 matrices of 1 MiB
COPY_BYTES = 256 * 2**20
ROUNDS = 15  # of which the median counts, so seven may be disturbed


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--results", type=Path, help="results folder of the finished benchmark")
    options = parser.parse_args()
    if options.results and not (options.results / "folds").is_dir():
        parser.error(f"{options.results} holds no table `folds`: name the benchmark's own folder")
    prepared = prepare(options.benchmark, options.overrides, data=options.data)
    peak_gflops, bandwidth_gbs = peak(), bandwidth()
    work = [configuration_work(prepared, one) for one in prepared.resolved]
    compute_s = sum(operations for operations, _ in work) / (peak_gflops * 1e9)
    memory_s = sum(n_bytes for _, n_bytes in work) / (bandwidth_gbs * 1e9)
    said = {
        "peak_gflops_one_core": round(peak_gflops, 1),
        "bandwidth_gbs_one_core": round(bandwidth_gbs, 1),
        "configurations": len(work),
        "tera_operations": round(sum(operations for operations, _ in work) / 1e12, 3),
        "floor_core_s": round(max(compute_s, memory_s), 2),
        "floor_of_memory_core_s": round(memory_s, 2),
    }
    if options.results:
        trained_s = trained_core_s(options.results)
        said |= {
            "trained_core_s": round(trained_s, 2),
            "times_the_floor": round(trained_s / said["floor_core_s"], 1),
        }
    print(json.dumps(said))


def peak() -> float:
    """GFLOP/s of one core: the median of products of two float32 matrices."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.randn(2, MATRIX, MATRIX)
    return 2 * MATRIX**3 / median_s(lambda: a @ b) / 1e9


def bandwidth() -> float:
    """GB/s that one core reads and writes: a copy moves every byte twice."""
    import torch

    source = torch.ones(COPY_BYTES // 4)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / median_s(lambda: target.copy_(source)) / 1e9


def median_s(call) -> float:
    """Seconds of one warm call, in CPU time: a busy machine matters less."""
    call()
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        call()
        spent.append(time.process_time() - started)
    return statistics.median(spent)


def configuration_work(prepared, one) -> tuple[float, float]:
    """Operations of all folds and epochs, and bytes of inputs that are read for them."""
    from harness.plugins import catalog
    from harness.training.model_summary import count

    data, model = prepared.data, dict(one.config["model"])
    model.pop("name")
    counts = count(
        catalog.load(one.model).build,
        arguments={**model, **data.fold_inputs[0].model_arguments},
        input_shape=data.input_shape,
        num_classes=len(data.class_names),
        input_dtype=one.description.input_dtype,
    )
    if counts.mult_adds is None:
        sys.exit("torch can't count the multiply-adds of this model")
    epochs = one.config["training"]["epochs"]
    forwards = reads = 0
    for fold in data.folds:
        n_train, n_validation, n_test = map(len, (fold.train, fold.validation, fold.test))
        forwards += epochs * (3 * n_train + n_validation) + n_train + n_test
        reads += epochs * (n_train + n_validation) + n_train + n_test
    example_bytes = data.inputs[0][:1].nbytes
    return 2.0 * counts.mult_adds * forwards, float(reads * example_bytes)


def trained_core_s(folder: Path) -> float:
    """Seconds that the folds of all complete trials trained, validated and predicted."""
    import pandas as pd

    folds = pd.read_parquet(folder / "folds")
    return float((folds.fit_time_s + folds.predict_time_s).sum())


if __name__ == "__main__":
    main()
