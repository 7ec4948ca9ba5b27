"""What an exported folder says of itself: `export.json` for the loader, `README.md` for people."""

import inspect
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.types import Array
from harness.export.onnx import OnnxFiles
from harness.export.trained_trial import RefittedData, TrainedTrial
from harness.export.verification import PredictionCheck
from harness.results.provenance import utc_now, versions

FORMAT = 2  # raised when loaders that were written before can't read the folder any more
PACKAGES = ("python", "numpy", "torch", "torchvision", "torchaudio")
READERS = ("pillow", "soundfile")  # of images and sounds; not every dataset needs them

_README = """\
# {benchmark}: {model} on {dataset}

{n_folds}, trained by `bench run` as trial `{trial_id}`{params}.
{metric}: {score}. It is the score of single folds; the mean of their probabilities, which
predictions here are, was not measured.

## Predict

{use}
The same in Python, without bench: in this folder, or with it on `sys.path`,

```python
from predictor import load

model = load("{folder}")
model.class_names
{call}
```

Checked with {versions}.
{check}
This folder holds code that is executed: take such folders only from people whose programs you run.

## What lies here

| file | what |
|---|---|
| `export.json` | classes, input shape, scale, normalisation of each fold, options, fingerprints |
| `weights/<repeat>-<fold>.pt` | the weights of each fold, a state dict |
| `weights/<repeat>-<fold>.attributes.pt` | what its model holds beside them, where it does; \
`module_state.py` puts it back |
| `models/`, `data_prep/` | the code that builds the model and reads an input |
| `learned/` | token names and arrays of each fold, where the dataset learns any |
| `predictor.py` | the loader: torch, numpy and this folder |
| `benchmark.yaml` | the benchmark file with every default written out |
{onnx}"""

_ONNX = """\
| `onnx/<repeat>-<fold>.onnx` | each fold's model: `inputs` as it receives them, after scale and \
normalisation, {batch}, to `logits` |
"""


def export_facts(trained: TrainedTrial, refitted: RefittedData) -> dict[str, Any]:
    """Return the contents of `export.json`: plain values, files relative to the folder."""
    trial = trained.candidate.trial
    return {
        "format": FORMAT,
        "benchmark": trained.source.name,
        "trial_id": trial.trial_id,
        "run_id": trial.run_id,
        "params": dict(trained.candidate.params),
        "score": {
            "metric": f"validation {trained.source.objective}, mean over single folds",
            "mean": trial.objective_mean,
            "std": trial.objective_std,
        },
        "class_names": list(refitted.data.class_names),
        "model": {"name": trained.model.name, "arguments": _without_name(trained.config["model"])},
        "inputs": _input_facts(trained, refitted),
        "folds": [_fold_facts(trained, refitted, key) for key in trained.weights],
        "data_fingerprint": trial.data_fingerprint,
        "code_fingerprint": trial.code_fingerprint,
        "versions": _versions(),
        "exported_at": utc_now().isoformat(timespec="seconds"),
        "config": dict(trained.config),
    }


def readme_text(
    facts: Mapping[str, Any], *, out: Path, check: PredictionCheck | None, onnx: OnnxFiles | None
) -> str:
    """Return the README of an exported folder as Markdown: what it is, how it is used, its limits.

    Args:
        facts: The contents of `export.json`.
        out: The folder, under the name that it is going to have.
        check: How well stored predictions were made again; None if none are stored.
        onnx: The ONNX files; None if not asked for.
    """
    takes, score = facts["inputs"]["takes"], facts["score"]
    params = ", ".join(f"{path} = {value}" for path, value in facts["params"].items())
    sources = {"path": '["a.file", "b.file"]', "text": '["a text", "another"]'}
    return _README.format(
        benchmark=facts["benchmark"],
        model=facts["model"]["name"],
        dataset=facts["inputs"]["dataset"],
        n_folds="1 model" if len(facts["folds"]) == 1 else f"{len(facts['folds'])} models of folds",
        trial_id=facts["trial_id"],
        params=f" ({params})" if params else "",
        metric=score["metric"].capitalize(),
        score=_score_text(score),
        use=_usage(takes, out.name),
        folder=".",
        call=f"model.predict({sources[takes]})  # probabilities (2, classes)"
        if takes
        else "model.of_fold(0, inputs)  # probabilities (n, classes) of inputs (n, *shape)",
        versions=", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        check=_check_text(check),
        onnx=_onnx_row(onnx),
    )


def _input_facts(trained: TrainedTrial, refitted: RefittedData) -> dict[str, Any]:
    """Return how one input is read, and what the model receives of it."""
    reader = getattr(refitted.loaded.module, "read_input", None)
    parameters = [] if reader is None else list(inspect.signature(reader).parameters)
    learns = hasattr(refitted.loaded.module, "fit")
    usable = parameters[:1] in (["path"], ["text"]) and ("token_names" in parameters) == learns
    data, options = refitted.data, refitted.loaded.options
    return {
        "dataset": trained.dataset.name,
        "takes": parameters[0] if usable else None,
        "options": {name: options[name] for name in parameters[1:] if name in options},
        "learned": learns,
        "front_end": refitted.front_end,
        "shape": list(data.input_shape),
        "stored_dtype": str(data.inputs[0].dtype),
        "scale": data.input_scale,
    }


def _fold_facts(
    trained: TrainedTrial, refitted: RefittedData, key: tuple[int, int]
) -> dict[str, Any]:
    repeat, fold = key
    index = refitted.index(repeat, fold)
    inputs, name = refitted.data.fold_inputs[index], f"{repeat}-{fold}"
    arguments = inputs.model_arguments
    arrays = {key for key, value in arguments.items() if isinstance(value, np.ndarray)}
    return {
        "repeat": repeat,
        "fold": fold,
        "split_hash": refitted.data.folds[index].split_hash,
        "weights": f"weights/{name}.pt",
        "attributes": f"weights/{name}.attributes.pt" if key in trained.attributes else None,
        "mean": _numbers(inputs.mean),
        "std": _numbers(inputs.std),
        "token_names": f"learned/{name}.json" if inputs.token_names is not None else None,
        "arguments": {key: value for key, value in arguments.items() if key not in arrays},
        "arrays": f"learned/{name}.npz" if arrays else None,
    }


def _numbers(values: Array | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]


def _without_name(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "name"}


def _versions() -> dict[str, str]:
    """Return the versions of what the loader may import, where the export was checked."""
    installed = {name: version for name, version in versions().items() if name in PACKAGES}
    for name in READERS:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _onnx_row(onnx: OnnxFiles | None) -> str:
    if onnx is None or not onnx.files:
        return ""
    return _ONNX.format(batch="any number" if onnx.any_batch else "one example")


def _score_text(score: Mapping[str, Any]) -> str:
    spread = "" if score["std"] is None else f" (standard deviation {score['std']:.4f})"
    return f"{score['mean']:.4f}{spread}"


def _usage(takes: str | None, name: str) -> str:
    if takes is None:
        return (
            "The dataset's file can't turn a new file or text into inputs (no `read_input`): give "
            "arrays as it stores them.\n"
        )
    examples = {
        "path": f"bench predict {name} FILES-AND-FOLDERS > predictions.csv",
        "text": f"bench predict {name} texts.csv --column text > predictions.csv",
    }
    return f"```\n{examples[takes]}\n```\n"


def _check_text(check: PredictionCheck | None) -> str:
    if check is None:
        return ""
    return (
        f"{check.n} stored predictions were made again with this folder; the largest difference of "
        f"a probability was {check.largest:.1e}.\n"
    )
