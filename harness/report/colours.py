"""One colour for each of the best configurations; safe for colour-blind readers, light and dark."""

PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f5fc7", "#8c6d46",
)  # fmt: skip
"""Okabe and Ito (2008) without black and yellow, which vanish on dark and light, and two more."""

OTHER = "#8f959e"
SCALE = "Viridis"
DASHES = ("solid", "dash", "dot", "dashdot")


def colour_of(place: int | None) -> str:
    """The colour of a place; all beyond the palette share one grey."""
    return PALETTE[place - 1] if place and place <= len(PALETTE) else OTHER


def faded(colour: str, opacity: float) -> str:
    """The colour with an opacity in 0 .. 1, for bands."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
