"""(b) A process pool over bare PyTorch loops, one thread each, folds and configurations as tasks.

python process_pool.py FOLDER WORKERS
"""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import plain
import torch


def train(folder: Path, task: tuple[int, int]) -> dict:
    """One configuration on one fold."""
    configuration, fold = task
    described, arrays = plain.read(folder) if _shared is None else _shared
    row = plain.train_fold(
        described, arrays, described["configurations"][configuration], fold=fold, loader=False
    )
    return {"configuration": configuration, **row}


_shared = None  # what forked workers inherit


def main() -> None:
    """Forked workers share what the parent has read; on a GPU they are spawned and read it."""
    global _shared
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    described, arrays = plain.read(folder)
    _shared = described, arrays
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
