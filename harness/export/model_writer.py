"""`export_model`: the folder that predicts by itself, whole or not there."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.paths import default_data_root
from harness.errors import BenchError
from harness.export.manifest import facts_of
from harness.export.readme import readme
from harness.export.refit import Learned, learn_again
from harness.export.trial_selection import Trained, describe_trial, find_trained
from harness.plugins import catalog

if TYPE_CHECKING:
    from harness.export.onnx import Written
    from harness.export.verification import Check

_MODULE_STATE = Path(__file__).parents[1] / "training" / "module_state.py"
_SIBLING = re.compile(r"^(\s*from )(?:models|data_prep)(?:\.(\w+))?( import )", re.MULTILINE)


@dataclass(frozen=True)
class Exported:
    """What was written.

    trial: its id and searched values. n_considered: of how many it is the best on validation.
    n_missing: folds without kept weights. takes: `path` or `text`; None where the dataset can't
    read new inputs. check: stored predictions made again; None where none are kept. onnx: None
    where not asked for. notes: what of the results folder is left out, and why.
    """

    folder: Path
    trial: str
    n_considered: int
    n_folds: int
    n_missing: int
    takes: str | None
    check: "Check | None"
    onnx: "Written | None" = None
    notes: tuple[str, ...] = ()


def export_model(
    benchmark: str,
    *,
    out: Path,
    trial: str | None = None,
    results: Path = Path("results"),
    data: Path | None = None,
    onnx: bool = False,
) -> Exported:
    """Writes the chosen model with all that predicting needs into the new folder `out`.

    benchmark: a name or a results folder; trial: an id's beginning or `param=value,...`, else the
    best on validation. data: the folder of raw data, from which vocabulary and scales are learned
    again. onnx: also as ONNX, checked. Raises BenchError with the cure where that can't be.
    """
    from harness.export.onnx import needs_packages, write_onnx
    from harness.export.predictor import load
    from harness.export.verification import check_stored

    _refuse_taken(out)
    if onnx:
        needs_packages()
    trained = find_trained(benchmark, trial, results=results)
    learned = learn_again(trained, root=default_data_root(data))
    staged = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.tmp")
    try:
        facts = _write(staged, trained, learned)
        model = load(staged)
        check = check_stored(model, trained, learned)
        written = write_onnx(model, learned, staged) if onnx else None
        text = readme(facts, out=out, check=check, onnx=written)
        (staged / "README.md").write_text(text, encoding="utf-8")
        if out.exists():
            out.rmdir()
        os.replace(staged, out)
    except OSError as error:
        raise BenchError(f"{out}: can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    n_all = len({(one.repeat, one.fold) for one in learned.data.folds})
    return Exported(
        folder=out,
        trial=describe_trial(trained.candidate),
        n_considered=trained.n_considered,
        n_folds=len(trained.weights),
        n_missing=n_all - len(trained.weights),
        takes=facts["inputs"]["takes"],
        check=check,
        onnx=written,
        notes=tuple(trained.source.notes),
    )


def _refuse_taken(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BenchError(f"{out} exists already; remove it, or name a new folder with --out")


def _write(folder: Path, trained: Trained, learned: Learned) -> dict[str, Any]:
    """Everything but the README; the facts as written."""
    folder.mkdir(parents=True)
    for entry in (trained.model, trained.dataset):
        _copy_code(entry, folder / catalog.FOLDERS[entry.kind])
    facts = facts_of(trained, learned)
    (folder / "weights").mkdir()
    for fold in facts["folds"]:
        key = (fold["repeat"], fold["fold"])
        shutil.copyfile(trained.weights[key], folder / fold["weights"])
        if fold["attributes"] is not None:
            shutil.copyfile(trained.attributes[key], folder / fold["attributes"])
        _write_learned(folder, fold, learned, learned.index(*key))
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (folder / "export.json").write_text(text, encoding="utf-8")
    shutil.copyfile(Path(__file__).with_name("predictor.py"), folder / "predictor.py")
    if trained.attributes:
        shutil.copyfile(_MODULE_STATE, folder / "module_state.py")
    resolved = trained.source.folder / "runs" / trained.candidate.trial.run_id / "benchmark.yaml"
    if resolved.is_file():
        shutil.copyfile(resolved, folder / "benchmark.yaml")
    return facts


def _copy_code(entry: catalog.Entry, folder: Path) -> None:
    """The file and its siblings, which then import each other and nothing that is installed."""
    folder.mkdir()
    for file in catalog.source_files(entry):
        text = file.read_text(encoding="utf-8")
        (folder / file.name).write_text(_SIBLING.sub(r"\1.\2\3", text), encoding="utf-8")


def _write_learned(folder: Path, fold: Mapping[str, Any], learned: Learned, index: int) -> None:
    """Token names as JSON and arrays as npz, where the fold has any."""
    inputs = learned.data.fold_inputs[index]
    if fold["token_names"] is not None:
        (folder / "learned").mkdir(exist_ok=True)
        names = json.dumps(inputs.token_names, ensure_ascii=False)
        (folder / fold["token_names"]).write_text(names, encoding="utf-8")
    if fold["arrays"] is not None:
        (folder / "learned").mkdir(exist_ok=True)
        given = inputs.model_arguments.items()
        arrays: dict[str, Any] = {k: v for k, v in given if isinstance(v, np.ndarray)}
        np.savez(folder / fold["arrays"], **arrays)
