"""Where the time of one `bench run` goes: its phases, and inside a step of training.

    python benchmarks/performance/phases.py quickstart training.epochs=12

The phases are the run's own (`runs/<run_id>/run.json`) and those of its tables. The inside of the
training is one configuration trained again in this process, alone and with one thread, under
py-spy (`pip install py-spy`; containers need the SYS_PTRACE capability); without it that part is
left out.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml

RATE_HZ = 200

# part of the training -> what names it in a stack; the first that fits counts
PARTS = {
    "imports": ("<frozen importlib._bootstrap>",),
    "evaluation of validation, train and test": ("harness/training/evaluate.py",),
    "batches: order, gather, augmentation": (
        "epoch_batches", "train_batches", "gather (", "permutation (", "seed_everything",
    ),
    "optimizer": ("stepped (", "torch/optim/", "clip_grad", "_fused_adam", "foreach"),
    "backward": ("_engine_run_backward", "backward ("),
    "forward and loss": ("torch/nn/modules/module.py", "cross_entropy", "forward ("),
    "start of the folds": ("start_folds", "build_model"),
    "the rest of the training": ("harness/training/",),
}  # fmt: skip


def main() -> None:
    """Prints two tables; with `--inside`, which is for py-spy, it only trains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("benchmark")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--execution", default="loop", help="of the inside: loop or vectorized")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        train_once(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(as_table("phase", run_phases(options, Path(folder))))
        if shutil.which("py-spy", path=f"{bin_folder()}:{os.environ['PATH']}"):
            print(as_table("one configuration", training_parts(options, Path(folder))))
        else:
            print("py-spy is missing, so the inside of the training is left out", file=sys.stderr)


def bin_folder() -> str:
    """Where the commands of this Python lie."""
    return str(Path(sys.executable).parent)


def run_phases(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Phase -> wall seconds of the whole process.

    What the workers do is spread over as many as train at a time.
    """
    data = ["--data", str(options.data)] if options.data else []
    started = time.perf_counter()
    subprocess.run(
        [f"{bin_folder()}/bench", "run", options.benchmark, *options.overrides, "--quiet",
         "--results", str(folder / "results"), *data],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wall_s = time.perf_counter() - started
    results = next(Path(folder, "results").iterdir())
    run = json.loads(next(results.glob("runs/*/run.json")).read_text())
    timings_s = run["timings_s"]
    asked = yaml.safe_load(next(results.glob("runs/*/benchmark.yaml")).read_text())
    workers = max(1, len(os.sched_getaffinity(0)) // asked["resources"]["cpu"])
    folds = pd.read_parquet(results / "folds")
    epochs_s = pd.read_parquet(results / "epochs").epoch_time_s.sum() / workers
    predict_s = folds.predict_time_s.sum() / workers
    inside = {
        "sweep: epochs, training and validation": epochs_s,
        "sweep: predictions of every role": predict_s,
        "sweep: workers' start, rows, Tune": timings_s["sweep"] - epochs_s - predict_s,
    }
    before = {name: spent for name, spent in timings_s.items() if name != "sweep"}
    known_s = sum(before.values()) + timings_s["sweep"]
    return {**before, **inside, "imports, start and end of Ray": wall_s - known_s}


def training_parts(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Part of the training -> seconds of one configuration, seen by py-spy."""
    stacks = folder / "stacks.txt"
    data = ["--data", str(options.data)] if options.data else []
    subprocess.run(
        ["py-spy", "record", "--format", "raw", "--full-filenames", "--rate", str(RATE_HZ),
         "--output", str(stacks), "--", sys.executable, __file__, options.benchmark,
         *options.overrides, *data, "--execution", options.execution, "--inside"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": f"{bin_folder()}:{os.environ['PATH']}"},
    )  # fmt: skip
    seconds: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        if "train_folds (" in stack:
            seconds[part_of(stack.partition("train_folds (")[2])] += int(count) / RATE_HZ
    return dict(seconds)


def train_once(options: argparse.Namespace) -> None:
    """The first configuration on all its folds, as a worker does it."""
    import torch
    from side_by_side.workload import prepare

    from harness.config.sections import Training
    from harness.plugins import catalog
    from harness.training.trainer import train_folds
    from harness.training.types import TrainingJob
    from harness.training.worker_setup import prepare_process

    prepared = prepare(options.benchmark, options.overrides, data=options.data)
    one = prepared.resolved[0]
    model = dict(one.config["model"])
    model.pop("name")
    fast = one.config["training"]["fast_operators"]
    prepare_process(threads=1, device="cpu", fast_operators=fast)
    job = TrainingJob(
        training=Training.model_validate(one.config["training"]),
        data=prepared.data,
        folds=tuple(range(len(prepared.data.folds))),
        build=catalog.load(one.model).build,
        model_arguments=model,
        objective=prepared.spec.objective.metric,
        seed=prepared.spec.seed,
        device=torch.device("cpu"),
        execution=options.execution,
    )
    for _ in train_folds(job):
        pass


def part_of(stack: str) -> str:
    """The first part that a frame of the stack names."""
    for part, names in PARTS.items():
        if any(name in stack for name in names):
            return part
    return "other"


def as_table(title: str, seconds: dict[str, float]) -> str:
    """Markdown, the most first."""
    total_s = sum(seconds.values())
    lines = [f"| {title} | seconds of {total_s:.1f} | share |", "|---|---|---|"]
    for name, spent_s in sorted(seconds.items(), key=lambda pair: -pair[1]):
        lines.append(f"| {name} | {spent_s:.2f} | {spent_s / total_s:.1%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
