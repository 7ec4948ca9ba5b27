"""What every typed section of a benchmark file is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# A name is looked up in folders, so it can't be a path out of them.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A frozen mapping with known keys; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
