"""What a run says of itself and its data in JSON, as the sections rely on it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.results.layout import CARD, PREVIEWS, RECORD
from harness.results.parts import DamagedPart
from harness.results.runs import read_json

Count = Annotated[int, Field(ge=0, le=2**53)]
Counts = dict[str, Count]
Ids = list[str | int | float]


class _Shape(BaseModel):
    """What is not named here is not looked at."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Record(_Shape):
    """run.json, as far as the page reads it."""

    command: str | None = None


class _Dataset(_Shape):
    name: str
    front_end: dict[str, Any] | None = None
    limit: Count | None = None
    train_per_class: Count | None = None


class _Fold(_Shape):
    repeat: Count = 1
    fold: Count
    test_part: int | None = None
    counts: dict[str, Counts] = {}


class _Card(_Shape):
    """One dataset's entry of data_card.json."""

    title: str | None = None
    source: str | None = None
    licence: str | None = None
    sample_rate_hz: Count | None = None
    dataset: _Dataset | None = None
    n_examples: Count = 0
    input_shape: list[Count] = []
    counts: Counts = {}
    folds: list[_Fold] = []
    n_groups: Count | None = None
    groups_in_two_roles: list[Any] = []
    n_duplicates: Count | None = None
    findings: list[str] = []
    examples: dict[str, Ids] = {}
    set_aside: Counts = {}


class _Class(_Shape):
    ids: Ids = []
    texts: list[Any] = []
    peaks: list[Annotated[int, Field(ge=-100, le=100)]] = []
    seconds: float = 0.0


class _Previews(_Shape):
    """One dataset's entry of previews.json."""

    n_classes: Count = 0
    classes: list[_Class] = []


_SHAPES: Mapping[str, TypeAdapter[Any]] = {
    RECORD: TypeAdapter(_Record),
    CARD: TypeAdapter(dict[str, _Card]),
    PREVIEWS: TypeAdapter(dict[str, _Previews]),
}


def read_records(run: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """File name -> what it holds, and one sentence about each that is damaged and left out.

    A file that is missing holds nothing, as in a run that read no data.
    """
    found: dict[str, dict[str, Any]] = {}
    left_out = []
    for name, shape in _SHAPES.items():
        found[name] = {}
        try:
            held = read_json(run / name)
            shape.validate_python(held)
            found[name] = held
        except FileNotFoundError:
            continue
        except DamagedPart as error:
            left_out.append(f"{error}; left out here")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            left_out.append(f"{run / name}: {where}: {first['msg']}; the file is left out here")
    return found, left_out
