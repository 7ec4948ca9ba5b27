"""The `dataset.front_end` key: what waveforms are turned into, once, before anything is trained."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.config.base import NonNegative, Positive, Section


class FrontEnd(Section):
    """A log-mel spectrogram in decibels: (channels, samples) to (channels, n_mels, frames)."""

    name: Literal["log_mel"]
    rate_hz: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="samples per second; default: what the dataset says"
    )
    n_fft: Annotated[int, Field(ge=2)] = Field(default=1024, description="window, in samples")
    hop: Annotated[int, Field(ge=1)] = Field(default=512, description="samples between frames")
    n_mels: Annotated[int, Field(ge=1)] = 64
    f_min: NonNegative = Field(default=0.0, description="Hz")
    f_max: Positive | None = Field(default=None, description="Hz; default: half of rate_hz")
    top_db: Positive | None = Field(
        default=80.0, description="values lie at most so far below the example's loudest"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> "FrontEnd":
        if self.f_max is not None and self.f_min >= self.f_max:
            raise ValueError(f"f_min must lie below f_max, {self.f_min:g} does not")
        if self.hop > self.n_fft:
            raise ValueError(f"a hop of {self.hop} leaves out samples between windows of n_fft")
        return self
