"""(b) A process pool over bare PyTorch loops, one thread each, folds and configurations as tasks.

python process_pool.py FOLDER WORKERS
"""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import plain
import torch

read = cache(plain.read)  # once a process; forked ones inherit it


def train(folder: Path, task: tuple[int, int]) -> dict:
    """One configuration on one fold."""
    configuration, fold = task
    described, arrays = read(folder)
    row = plain.train_fold(
        described, arrays, described["configurations"][configuration], fold=fold, loader=False
    )
    return {"configuration": configuration, **row}


def main() -> None:
    """Workers are forked, but on a GPU, where CUDA asks for fresh processes."""
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    described, _ = read(folder)
    tasks = [
        (configuration, fold)
        for configuration in range(len(described["configurations"]))
        for fold in range(described["n_folds"])
    ]
    kind = "spawn" if "--cuda" in sys.argv else "fork"
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context(kind),
        initializer=torch.set_num_threads,
        initargs=(1,),
    ) as pool:
        rows = list(pool.map(partial(train, folder), tasks))
    plain.finish(rows, folder)


if __name__ == "__main__":
    main()
