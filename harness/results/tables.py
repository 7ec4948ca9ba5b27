"""The tables: one row class for each, from which everything else about their columns follows.

A field is a column: its type, what it means and when it is null. Its annotation is the type of a
value; every column may be null, and is where its field isn't given. The Arrow schemas
(`table_schemas`), the rows that training builds (`cells`), the checks of what lies in a folder
(harness.results.integrity) and the column tables of `results/README.md` (harness.results.readme)
are derived from the fields.

Columns whose names depend on the benchmark file follow from a rule, written as the column's name:
`{a,b}` stands for each of its words, `<metric>` for each metric of the file, `<objective>` for the
one that ranks, `<path>` for each searched path. `{train,val,test}_<metric>` of accuracy and
macro_f1 is `train_accuracy`, `val_accuracy`, `test_accuracy`, `train_macro_f1`, and so on: metric
by metric, then words from left to right.
"""

# ruff: noqa: RUF009 (`column` gives a field of a dataclass, as `field` does)

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

SCHEMA_VERSION = 1
PARAMS = "params."  # before a searched path: a column of trials
N_ROWS = "n_rows_"  # before a table's name: a column of trials, how many rows the trial has there
SPLITS = ("train", "val", "test")
STATUSES = ("complete", "failed", "pruned", "interrupted")
STAGES = ("pretraining", "training")
PREDICTED_ROLES = ("validation", "test")

Cells = dict[str, Any]
"""Column -> value of one row."""


class Kind(NamedTuple):
    """A column's type: as Arrow has it, and in words."""

    words: str
    arrow: pa.DataType


TEXT = Kind("text", pa.string())
JSON = Kind("text (JSON)", pa.string())
INT32 = Kind("int32", pa.int32())
INT64 = Kind("int64", pa.int64())
DOUBLE = Kind("double", pa.float64())
TIME = Kind("timestamp", pa.timestamp("us", tz="UTC"))
PROBABILITIES = Kind("list of float", pa.list_(pa.float32()))
PARAMETER = Kind("from the parameter", pa.null())  # see harness.results.column_types.param_type


@dataclass(frozen=True)
class Column:
    """What is known of one column, or of those that follow from one rule.

    Attributes:
        name: Its name, or the rule for several.
        kind: Its type.
        meaning: What a value is, as `results/README.md` says it.
        null_when: When there is none.
        required: A file without it is no part of the table.
        filled: No row that a run writes has null there.
        lowest: The least value that a run writes; None where it isn't looked at.
        allowed: The values that a run writes; empty for any.
    """

    name: str
    kind: Kind
    meaning: str
    null_when: str = ""
    required: bool = False
    filled: bool = False
    lowest: int | None = None
    allowed: tuple[str, ...] = ()

    @property
    def is_rule(self) -> bool:
        """Whether the name depends on the benchmark file, or stands for several."""
        return any(sign in self.name for sign in "<{")

    def names(self, *, metrics: Sequence[str], objective: str) -> list[str]:
        """Return the column names that a rule stands for; the name itself where it is none."""
        name = self.name.replace("<objective>", objective)
        of_metrics = [name.replace("<metric>", metric) for metric in metrics]
        named = of_metrics if "<metric>" in name else [name]
        return [spelled for rule in named for spelled in _spelled(rule)]


def column(
    kind: Kind,
    meaning: str,
    *,
    name: str = "",
    null_when: str = "",
    required: bool = False,
    filled: bool = False,
    lowest: int | None = None,
    allowed: tuple[str, ...] = (),
) -> Any:
    """Declare a field of a row class as a column, null unless given; see `Column`.

    Args:
        kind: Its type.
        meaning: What a value is.
        name: Where it isn't the field's own: a rule, or a word that Python keeps for itself.
        null_when: When there is none.
        required: A file without it is no part of the table.
        filled: No row that a run writes has null there; implies `required`.
        lowest: The least value that a run writes.
        allowed: The values that a run writes.
    """
    about = {
        "name": name,
        "kind": kind,
        "meaning": meaning,
        "null_when": null_when,
        "required": required or filled,
        "filled": filled,
        "lowest": lowest,
        "allowed": allowed,
    }
    return field(default=None, metadata={"column": about})


class Row:
    """A row of a table. The writer adds `trial_id` and `schema_version`."""

    table: ClassVar[str]

    def cells(self, *, objective: str | None = None) -> Cells:
        """Return column -> value, null as None.

        A rule's field holds a mapping of column names to values, or the one value of
        `<objective>`.

        Args:
            objective: The metric that `<objective>` stands for; without one, such a column is
                left out.
        """
        plain, rules = _cells_of(self.table)
        values = vars(self)
        cells: Cells = {name: values[of] for of, name in plain}
        for of, name in rules:
            value = values[of]
            if isinstance(value, Mapping):
                cells |= value
            elif objective is not None and value is not None:
                cells[name.replace("<objective>", objective)] = value
        return cells


def _trial_id(meaning: str = "see trials") -> Any:
    return column(TEXT, meaning, filled=True)


def _repeat(meaning: str = "see folds", *, filled: bool = True, null_when: str = "") -> Any:
    return column(INT32, meaning, null_when=null_when, required=True, filled=filled, lowest=0)


_fold = _repeat
_WHOSE = "whose model"
_NOT_COMPLETE = "not complete"
_NO_ROLE = "no such role"
_AS_ABOVE = "as above"


@dataclass(frozen=True, kw_only=True)
class AttentionRow(Row):
    """What one head of one block attends to: a token, in texts of one predicted class.

    There are too many to build one by one; training gives their cells.
    """

    table = "attention"

    trial_id: str = _trial_id(_WHOSE)
    repeat: int = _repeat("from 1")
    fold: int = _fold("the part that validates")
    class_: str = column(
        TEXT, "the predicted class of the examples summed over", name="class", filled=True
    )
    token: str = column(TEXT, "the token's text", filled=True)
    block: int = column(INT32, "the encoder block, from 1", filled=True, lowest=0)
    head: int = column(INT32, "the head, from 1", filled=True, lowest=0)
    count: int = column(
        INT64, "how often the token occurs in these examples", filled=True, lowest=0
    )
    score_sum: float = column(
        DOUBLE, "attention received, summed over those occurrences", filled=True
    )


@dataclass(frozen=True, kw_only=True)
class LayerRow(Row):
    """One layer at the start of training, or after an epoch."""

    table = "layers"

    trial_id: str = _trial_id(_WHOSE)
    repeat: int = _repeat("from 1")
    fold: int = _fold("the part that validates")
    epoch: int = column(INT32, "0: before training", filled=True, lowest=0)
    position: int = column(INT32, "order in the forward pass, from 1", filled=True, lowest=0)
    layer: str = column(TEXT, "the module's name in the model", filled=True)
    module: str = column(TEXT, "its class, such as `Sigmoid`", filled=True)
    activation_mean: float = column(DOUBLE, "mean of its outputs")
    activation_std: float = column(DOUBLE, "their standard deviation")
    saturated_share: float | None = column(
        DOUBLE,
        "share of outputs within 0.05 of the limits of a sigmoid or tanh, at zero of a ReLU",
        null_when="another module",
    )
    gradient_norm: float | None = column(
        DOUBLE,
        "norm of the loss's gradient with respect to its weights (without biases), or to its "
        "outputs where it has none",
        null_when="its weights are frozen",
    )
    weight_norm: float | None = column(
        DOUBLE, "norm of its weights (without biases)", null_when="it has none"
    )


@dataclass(frozen=True, kw_only=True)
class PredictionRow(Row):
    """What the chosen epoch's weights predict for one example.

    There are too many to build one by one: `harness.results.rows.FoldPredictions` holds those of a
    fold and role as arrays.
    """

    table = "predictions"

    trial_id: str = _trial_id()
    repeat: int = _repeat()
    fold: int = _fold()
    role: str = column(TEXT, "`validation` or `test`", filled=True, allowed=PREDICTED_ROLES)
    example_id: str = column(
        TEXT, "the dataset's name of the example, the same on every machine", filled=True
    )
    group: str | None = column(
        TEXT,
        "examples that stay together in a split",
        null_when="the dataset has no groups",
    )
    target: int = column(INT32, "true class, an index into `class_names`", filled=True, lowest=0)
    predicted: int = column(INT32, "most probable class", filled=True, lowest=0)
    probabilities: Sequence[float] = column(
        PROBABILITIES, "softmax, in the order of `class_names`", required=True
    )


@dataclass(frozen=True, kw_only=True)
class EpochRow(Row):
    """One epoch of one fold: a point of its learning curves."""

    table = "epochs"

    trial_id: str = _trial_id()
    stage: str = column(TEXT, "`pretraining` or `training`", filled=True, allowed=STAGES)
    repeat: int = _repeat(filled=False, null_when="`pretraining`, which all folds share")
    fold: int = _fold(filled=False, null_when="as `repeat`")
    epoch: int = column(INT32, "counts from 1", filled=True, lowest=0)
    train_loss: float = column(DOUBLE, "running mean while training, in training mode")
    train_accuracy: float = column(
        DOUBLE,
        "running accuracy while training; of mixtures (`mixup`) the weight that the predicted "
        "class has in them",
    )
    val_loss: float = column(DOUBLE, "validation loss after the epoch")
    val_accuracy: float = column(DOUBLE, "validation accuracy after the epoch")
    val_objective: float = column(
        DOUBLE,
        "the objective on validation",
        name="val_<objective>",
        null_when="undefined, or another run's objective",
    )
    lr: float = column(DOUBLE, "learning rate of the epoch's last step")
    epoch_time_s: float = column(DOUBLE, "seconds of this fold's epoch, validation included")


@dataclass(frozen=True, kw_only=True)
class FoldRow(Row):
    """The numbers of one fold's chosen weights, in evaluation mode."""

    table = "folds"

    trial_id: str = _trial_id()
    repeat: int = _repeat(
        "all folds once more, with seeds of their own; parts that bench cuts are cut anew, a "
        "dataset's own stay"
    )
    fold: int = _fold("the part that validates; 1 where there is one fold")
    test_part: int | None = column(
        INT32,
        "the part that tests",
        null_when="the test is no numbered part, or there is none",
        required=True,
    )
    n_train: int = column(INT32, "train examples", required=True)
    n_validation: int = column(INT32, "validation examples", required=True)
    n_test: int = column(INT32, "test examples, 0 without a test", required=True)
    split_hash: str = column(TEXT, "16 hex digits of the three index sets", required=True)
    n_train_per_epoch: int | None = column(
        INT32,
        "train examples that an epoch takes: all of them, but for what keeps the folds of a repeat "
        "in step (fewer than a batch, drawn anew each epoch)",
        null_when="written by a bench that did not count them",
    )
    best_epoch: int = column(INT32, "the epoch whose weights count")
    scores: Mapping[str, float | None] | None = column(
        DOUBLE,
        "the metric over all examples of the role",
        name="{train,val,test}_<metric>",
        null_when="no such role; undefined; added later (train)",
    )
    losses: Mapping[str, float | None] | None = column(
        DOUBLE,
        "mean cross-entropy over the role",
        name="{train,val,test}_loss",
        null_when=_NO_ROLE,
    )
    weights_source: str = column(
        TEXT,
        "how the epoch was chosen, `best` or `last`; where training did not start from random "
        "weights, from what, such as `last, from pretraining 0123456789abcdef`",
    )
    fit_time_s: float = column(DOUBLE, "seconds of training this fold")
    predict_time_s: float = column(DOUBLE, "seconds of the final predictions")


@dataclass(frozen=True, kw_only=True)
class TrialRow(Row):
    """One configuration, trained on all folds and repeats."""

    table = "trials"

    benchmark: str = column(TEXT, "name of the benchmark file, without ending")
    run_id: str = column(TEXT, "the run that wrote the row, see `runs/`")
    trial_id: str = _trial_id("16 hex digits that stand for configuration, data, code and seed")
    variant: str | None = column(
        TEXT, "name of the variant", null_when="the benchmark has no variants"
    )
    status: str = column(
        TEXT, "`complete`, `pruned`, `failed` or `interrupted`", filled=True, allowed=STATUSES
    )
    error: str | None = column(TEXT, "what went wrong, in one line", null_when="not failed")
    traceback: str | None = column(TEXT, "where it went wrong", null_when="not failed")
    attempt: int = column(INT32, "how many times the trial was started")
    params: Mapping[str, Any] | None = column(
        PARAMETER,
        "resolved value of every parameter that any run searched. Text stays as it is; in a column "
        "of mixed values or lists all other values are JSON",
        name=f"{PARAMS}<path>",
        null_when="the parameter does not exist in this configuration, or its value is null",
    )
    n_parameters: int | None = column(INT64, "parameters of the model", null_when=_NOT_COMPLETE)
    n_parameters_trainable: int | None = column(
        INT64, "those that the optimizer changes", null_when=_NOT_COMPLETE
    )
    n_parameters_without_gradient: int | None = column(
        INT64, "those whose gradient is missing or always zero", null_when=_NOT_COMPLETE
    )
    mult_adds: int | None = column(
        INT64,
        "multiply-adds of one example's forward pass, attention included",
        null_when="not complete, or it can't be counted",
    )
    n_folds: int | None = column(INT32, "folds of one repeat", null_when=_NOT_COMPLETE)
    n_repeats: int | None = column(
        INT32, "repeats that the row stands for", null_when=_NOT_COMPLETE
    )
    epochs_trained: int = column(INT32, "the most epochs that any fold was trained")
    scores: Mapping[str, float | None] | None = column(
        DOUBLE,
        "mean over folds and repeats, and its standard deviation",
        name="{train,val,test}_<metric>_{mean,std}",
        null_when="not complete; no such role; the metric was added later (train); the standard "
        "deviation also with a single fold",
    )
    losses: Mapping[str, float | None] | None = column(
        DOUBLE,
        "mean loss over folds and repeats",
        name="{train,val,test}_loss_mean",
        null_when="not complete; no such role",
    )
    selected_on: str | None = column(
        TEXT, "what chose the epoch of the weights", null_when=_NOT_COMPLETE
    )
    findings: str | None = column(
        TEXT,
        "codes of what was found, separated by commas, some with a name after a colon "
        "(`unregistered_parameters:encoder.layers`, `changed_process:default dtype`); empty where "
        "nothing was found",
        null_when="it ended before its model was looked at, or was lost before its first epoch",
    )
    class_names: str | None = column(
        JSON, "class names, in the order of `probabilities`", null_when=_NOT_COMPLETE
    )
    fold_execution: str | None = column(
        TEXT, "how the folds were trained: `loop` or `vectorized`", null_when=_NOT_COMPLETE
    )
    fit_time_s: float = column(DOUBLE, "seconds of training, all folds and repeats")
    peak_memory_mb: float | None = column(
        DOUBLE,
        "megabytes (10^6 bytes): the trial's tensors on a GPU, else the process since its start",
        null_when=_NOT_COMPLETE,
    )
    device: str = column(TEXT, "name of the CPU or GPU")
    seed: int = column(INT64, "the benchmark's seed")
    started_at: datetime | None = column(
        TIME,
        "start of the trial's last attempt",
        null_when="the process that writes the tables died meanwhile",
    )
    finished_at: datetime = column(TIME, "end of the trial")
    config: str = column(
        JSON, "the resolved configuration that `trial_id` stands for", required=True
    )
    data_fingerprint: str = column(TEXT, "16 hex digits of the raw files' contents")
    code_fingerprint: str = column(
        TEXT,
        "the model's code, the dataset's code and the training version, separated by `-`",
    )
    git_commit: str | None = column(
        TEXT,
        "commit of the working directory, `-dirty` with changes",
        null_when="outside a repository",
    )
    versions: str = column(JSON, "Python and the packages that numbers depend on")
    pretraining_id: str | None = column(
        TEXT,
        "16 hex digits of what decided the pretrained weights, see `pretraining/`",
        null_when="training started from other weights",
    )
    pretraining_val_accuracy: float | None = column(
        DOUBLE,
        "accuracy of the pretraining's own task on examples held out of it, after its last epoch",
        null_when="as `pretraining_id`; nothing held out",
    )
    pretraining_test_accuracy: float | None = column(
        DOUBLE,
        "the same on the test examples of the folds",
        null_when="as `pretraining_id`; no test",
    )
    n_rows_attention: int | None = column(
        INT64,
        "rows that the trial has in `attention`; a run checks all five when it starts, and so do "
        "report, compare and export",
        null_when="written before version 4 of training",
    )
    n_rows_layers: int | None = column(INT64, "in `layers`", null_when=_AS_ABOVE)
    n_rows_predictions: int | None = column(INT64, "in `predictions`", null_when=_AS_ABOVE)
    n_rows_epochs: int | None = column(INT64, "in `epochs`", null_when=_AS_ABOVE)
    n_rows_folds: int | None = column(
        INT64,
        "in `folds`; where it is null, complete trials have `n_folds` times `n_repeats`",
        null_when=_AS_ABOVE,
    )


# In commit order: the trials row comes last. The first two have rows only where a trial gives some.
ROWS: tuple[type[Row], ...] = (
    AttentionRow,
    LayerRow,
    PredictionRow,
    EpochRow,
    FoldRow,
    TrialRow,
)
TABLES = tuple(row.table for row in ROWS)
_BY_TABLE = {row.table: row for row in ROWS}
_VERSION = Column("schema_version", INT32, f"version of these tables, now {SCHEMA_VERSION}")


@cache
def columns(table: str) -> tuple[Column, ...]:
    """Return the columns and rules of a table, in their order."""
    return (*(about for _, about in _fields(table)), _VERSION)


def table_schemas(
    *, metrics: Sequence[str], objective: str, params: Mapping[str, pa.DataType]
) -> dict[str, pa.Schema]:
    """Return the schema of every table; all columns may be null.

    Args:
        metrics: The run's metrics, in the order of their columns.
        objective: Its validation value per epoch is a column of `epochs`.
        params: Searched path, such as `model.num_heads`, -> type of its column (see
            `harness.results.column_types.param_type`).

    Returns:
        Table name -> schema, in the order of `TABLES`.
    """
    schemas = {}
    for table in TABLES:
        types: dict[str, pa.DataType] = {}
        for about in columns(table):
            if about.kind is PARAMETER:
                types |= {about.name.replace("<path>", path): kind for path, kind in params.items()}
            else:
                for name in about.names(metrics=metrics, objective=objective):
                    types.setdefault(name, about.kind.arrow)
        schemas[table] = pa.schema(list(types.items()))
    return schemas


@cache
def fixed_schema(table: str) -> pa.Schema:
    """Return a table's schema without what depends on the benchmark file."""
    return table_schemas(metrics=(), objective="accuracy", params={})[table]


def plan_schema() -> pa.Schema:
    """Return the columns of plan.parquet: the trials a run stood for, in plan order."""
    names = ("trial_id", "variant", "params", "state", "reason")
    return pa.schema([(name, pa.string()) for name in names])


@cache
def _fields(table: str) -> tuple[tuple[str, Column], ...]:
    """Return (field, column) of a table's row class, in order."""
    declared = fields(_BY_TABLE[table])  # type: ignore[arg-type]  # every row is a dataclass
    return tuple((of.name, _named(of.metadata["column"], of.name)) for of in declared)


@cache
def _cells_of(table: str) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """Return (field, column name) of plain columns and of rules, apart, as rows are many."""
    named = [(of, column.name, column.is_rule) for of, column in _fields(table)]
    plain = tuple((of, name) for of, name, is_rule in named if not is_rule)
    return plain, tuple((of, name) for of, name, is_rule in named if is_rule)


def _named(about: Mapping[str, Any], name: str) -> Column:
    return Column(**{**about, "name": about["name"] or name})


def _spelled(rule: str) -> list[str]:
    """Return the names that a rule with words in braces stands for."""
    pieces = re.split(r"\{([^}]*)\}", rule)  # those at odd places stood in braces
    words = [piece.split(",") if place % 2 else [piece] for place, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in product(*words)]
