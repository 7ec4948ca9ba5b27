"""(c) Optuna over joblib's processes, which share a study in a journal, as its documentation says.

The grid is enqueued, so that each configuration is trained once. Batches come from a DataLoader.

python optuna_joblib.py FOLDER WORKERS
"""

import sys
from pathlib import Path

import joblib
import optuna
import plain
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

STUDY = "side-by-side"


def storage_in(folder: Path) -> JournalStorage:
    """The study's file; SQLite would hand one configuration to two processes now and then."""
    return JournalStorage(JournalFileBackend(str(folder.resolve() / "study.log")))


def work(folder: Path) -> None:
    """Takes the next waiting configuration from the study and trains it."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    described, arrays = plain.read_once(folder)
    last = len(described["configurations"]) - 1

    def objective(trial: optuna.Trial) -> float:
        number = trial.suggest_int("configuration", 0, last)
        rows = [
            plain.train_fold(
                described, arrays, described["configurations"][number], fold=fold, loader=True
            )
            for fold in range(described["n_folds"])
        ]
        trial.set_user_attr("rows", rows)
        return sum(row["val_accuracy"] for row in rows) / len(rows)

    optuna.load_study(study_name=STUDY, storage=storage_in(folder)).optimize(objective, n_trials=1)


def main() -> None:
    """Enqueues the grid and waits for the processes."""
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    described, _ = plain.read(folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name=STUDY, storage=storage_in(folder), direction="maximize")
    for number in range(len(described["configurations"])):
        study.enqueue_trial({"configuration": number})
    joblib.Parallel(n_jobs=workers)(
        joblib.delayed(work)(folder) for _ in described["configurations"]
    )
    plain.finish(
        [
            {"configuration": trial.params["configuration"], **row}
            for trial in study.trials
            for row in trial.user_attrs.get("rows", [])
        ],
        folder,
    )


if __name__ == "__main__":
    main()
