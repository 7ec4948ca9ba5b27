"""`bench export`: a trained model taken out of its results, ready to be used elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.terminal import data_option, echo, results_option

if TYPE_CHECKING:
    from harness.export import Exported

EPILOG = """\b
examples:
  bench export quickstart --out digits_model
  bench export quickstart patch_size=4,num_heads=1 --out digits_model
  bench export esc50_cnn 3c8aed07 --data ~/data --out sounds --onnx
"""


@click.command("export", epilog=EPILOG)
@click.argument("benchmark")
@click.argument("trial", required=False)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new folder.")
@results_option
@data_option
@click.option("--onnx", is_flag=True, help="Also as ONNX, checked to give the same outputs.")
def command(
    benchmark: str, trial: str | None, out: Path, results: Path, data: Path | None, onnx: bool
) -> None:
    """Write the best trial on validation, or TRIAL, with all that predicting needs.

    TRIAL is the beginning of a trial id, or param=value,… Its weights must be kept, and the data
    it was trained on must be there: vocabulary and scales are learned from it again.
    """
    from harness.export import export_model

    done = export_model(benchmark, trial=trial, out=out, results=results, data=data, onnx=onnx)
    for note in done.notes:
        echo(note, err=True)
    echo("\n".join(_lines(done)))
    if done.onnx is not None and done.onnx.reason is not None:
        echo(f"no ONNX: {done.onnx.reason}", err=True)
        raise click.exceptions.Exit(1)


def _lines(done: "Exported") -> list[str]:
    best = f", the best of {done.n_considered} on validation" if done.n_considered > 1 else ""
    models = "1 model" if done.n_folds == 1 else f"the models of {done.n_folds} folds"
    lines = [f"trial {done.trial}{best}: {models} in {done.folder}"]
    if done.n_missing:
        lines.append(
            f"of its {done.n_folds + done.n_missing} folds {done.n_missing} kept no weights: "
            f"{done.n_folds} predict"
        )
    if done.check is None:
        lines.append("not checked: no predictions are stored (predictions: none)")
    else:
        words = "agree" if done.check.agrees else "DIFFER"
        lines.append(
            f"{done.check.n} stored predictions made again {words}: "
            f"probabilities differ by at most {done.check.largest:.1e}"
        )
    if done.onnx is not None and done.onnx.files:
        one = "" if done.onnx.any_batch else "; they take one example at a time"
        lines.append(f"ONNX: {len(done.onnx.files)} files, the same outputs{one}")
    inputs = {"path": "FILES-AND-FOLDERS", "text": "texts.csv --column text"}
    if done.takes is None:
        lines.append("this dataset can't read new inputs (no `read_input`): see its README.md")
    else:
        lines.append(f"next: bench predict {done.folder} {inputs[done.takes]}")
    return lines
