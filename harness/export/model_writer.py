"""Write the folder that predicts by itself: whole, or not at all."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.paths import default_data_root
from harness.errors import BenchError
from harness.export.manifest import export_facts, readme_text
from harness.export.onnx import OnnxFiles, require_packages, write_onnx
from harness.export.trained_trial import (
    RefittedData,
    TrainedTrial,
    describe_trial,
    find_trained_trial,
    refit,
)
from harness.export.verification import PredictionCheck, check_stored_predictions
from harness.plugins import catalog

_PREDICTOR = Path(__file__).with_name("predictor.py")
_MODULE_STATE = Path(__file__).parents[1] / "training" / "module_state.py"
_SIBLING_IMPORT = re.compile(r"^(\s*from )(?:models|data_prep)(?:\.(\w+))?( import )", re.MULTILINE)


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: The new folder.
        trial: The trial's id and searched values, as text.
        n_considered: Of how many trials it is the best on validation.
        n_folds: The number of folds' models in the folder.
        n_missing: The number of folds without kept weights.
        takes: What an input is, `path` or `text`; None if the dataset can't read new inputs.
        check: How well stored predictions were made again; None if none are stored.
        onnx: The ONNX files; None if not asked for.
        notes: What of the results folder is left out, and why, one sentence each.
    """

    folder: Path
    trial: str
    n_considered: int
    n_folds: int
    n_missing: int
    takes: str | None
    check: PredictionCheck | None
    onnx: OnnxFiles | None = None
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
    """Write the chosen model with all that predicting needs.

    Args:
        benchmark: A name or a results folder.
        out: The folder to write; it must not exist, or be empty.
        trial: The beginning of a trial id, or `param=value,...`; by default the best on
            validation.
        results: The folder that holds one folder per benchmark.
        data: The folder of raw data, from which vocabulary and scales are learned again.
        onnx: Whether to write ONNX files too, and check them.

    Raises:
        BenchError: With the cure, if the model can't be exported.
    """
    from harness.export.predictor import load  # torch: a mistake is named before it is imported

    _refuse_taken(out)
    if onnx:
        require_packages()
    trained = find_trained_trial(benchmark, trial, results=results)
    refitted = refit(trained, root=default_data_root(data))
    staged = out.absolute().with_name(f".{out.absolute().name}.{os.getpid()}.tmp")
    try:
        facts = _write_folder(staged, trained, refitted)
        model = load(staged)
        check = check_stored_predictions(model, trained, refitted)
        onnx_files = write_onnx(model, refitted, staged) if onnx else None
        text = readme_text(facts, out=out, check=check, onnx=onnx_files)
        (staged / "README.md").write_text(text, encoding="utf-8")
        if out.exists():
            out.rmdir()
        os.replace(staged, out)
    except OSError as error:
        raise BenchError(f"{out}: can't be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    n_all = len({(fold.repeat, fold.fold) for fold in refitted.data.folds})
    return Exported(
        folder=out,
        trial=describe_trial(trained.candidate),
        n_considered=trained.n_considered,
        n_folds=len(trained.weights),
        n_missing=n_all - len(trained.weights),
        takes=facts["inputs"]["takes"],
        check=check,
        onnx=onnx_files,
        notes=tuple(trained.source.notes),
    )


def _refuse_taken(out: Path) -> None:
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise BenchError(f"{out} exists already; remove it, or name a new folder with --out")


def _write_folder(folder: Path, trained: TrainedTrial, refitted: RefittedData) -> dict[str, Any]:
    """Write everything but the README; return the contents of `export.json`."""
    folder.mkdir(parents=True)
    for entry in (trained.model, trained.dataset):
        _copy_code(entry, folder / catalog.FOLDERS[entry.kind])
    facts = export_facts(trained, refitted)
    (folder / "weights").mkdir()
    for fold in facts["folds"]:
        key = (fold["repeat"], fold["fold"])
        shutil.copyfile(trained.weights[key], folder / fold["weights"])
        if fold["attributes"] is not None:
            shutil.copyfile(trained.attributes[key], folder / fold["attributes"])
        _write_learned(folder, fold, refitted, refitted.index(*key))
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (folder / "export.json").write_text(text, encoding="utf-8")
    shutil.copyfile(_PREDICTOR, folder / "predictor.py")
    if trained.attributes:
        shutil.copyfile(_MODULE_STATE, folder / "module_state.py")
    resolved = trained.source.folder / "runs" / trained.candidate.trial.run_id / "benchmark.yaml"
    if resolved.is_file():
        shutil.copyfile(resolved, folder / "benchmark.yaml")
    return facts


def _copy_code(entry: catalog.Entry, folder: Path) -> None:
    """Copy a file and its siblings, which then import each other and nothing that is installed."""
    folder.mkdir()
    for file in catalog.source_files(entry):
        text = file.read_text(encoding="utf-8")
        (folder / file.name).write_text(_SIBLING_IMPORT.sub(r"\1.\2\3", text), encoding="utf-8")


def _write_learned(
    folder: Path, fold: Mapping[str, Any], refitted: RefittedData, index: int
) -> None:
    """Write the token names as JSON and the arrays as npz that a fold has learned, if any."""
    inputs = refitted.data.fold_inputs[index]
    if fold["token_names"] is not None:
        (folder / "learned").mkdir(exist_ok=True)
        names = json.dumps(inputs.token_names, ensure_ascii=False)
        (folder / fold["token_names"]).write_text(names, encoding="utf-8")
    if fold["arrays"] is not None:
        (folder / "learned").mkdir(exist_ok=True)
        arguments = inputs.model_arguments.items()
        arrays: dict[str, Any] = {
            name: value for name, value in arguments if isinstance(value, np.ndarray)
        }
        np.savez(folder / fold["arrays"], **arrays)
