"""The README of an exported folder: what it is, how it is used, what it can't say."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.export.onnx import Written
    from harness.export.verification import Check

_TEXT = """\
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


def readme(
    facts: Mapping[str, Any], *, out: Path, check: "Check | None", onnx: "Written | None"
) -> str:
    """Markdown. out: the folder's name to be."""
    takes, score = facts["inputs"]["takes"], facts["score"]
    params = ", ".join(f"{path} = {value}" for path, value in facts["params"].items())
    source = {"path": '["a.file", "b.file"]', "text": '["a text", "another"]'}
    return _TEXT.format(
        benchmark=facts["benchmark"],
        model=facts["model"]["name"],
        dataset=facts["inputs"]["dataset"],
        n_folds="1 model" if len(facts["folds"]) == 1 else f"{len(facts['folds'])} models of folds",
        trial_id=facts["trial_id"],
        params=f" ({params})" if params else "",
        metric=score["metric"].capitalize(),
        score=_score(score),
        use=_use(takes, out.name),
        folder=".",
        call=f"model.predict({source[takes]})  # probabilities (2, classes)"
        if takes
        else "model.of_fold(0, inputs)  # probabilities (n, classes) of inputs (n, *shape)",
        versions=", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
        check=_checked(check),
        onnx=_onnx(onnx),
    )


def _onnx(written: "Written | None") -> str:
    if written is None or not written.files:
        return ""
    return _ONNX.format(batch="any number" if written.any_batch else "one example")


def _score(score: Mapping[str, Any]) -> str:
    spread = "" if score["std"] is None else f" (standard deviation {score['std']:.4f})"
    return f"{score['mean']:.4f}{spread}"


def _use(takes: str | None, name: str) -> str:
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


def _checked(check: "Check | None") -> str:
    if check is None:
        return ""
    return (
        f"{check.n} stored predictions were made again with this folder; the largest difference of "
        f"a probability was {check.largest:.1e}.\n"
    )
