"""Examples of the data as a gallery: what `previews.json` keeps, for a page."""

from collections.abc import Mapping
from typing import Any

from harness.report.blocks import Example, Gallery
from harness.report.formatting import plural

PICTURE, SOUND = "data:image/png;base64,", "data:audio/mpeg;base64,"
HEARD = "Waveform, spectrogram (0 to 8 kHz upwards, 80 dB from dark to light), and the sound"


def galleries(shown: Mapping[str, Any]) -> list[Gallery]:
    """One of the classes, one of turned images; none where nothing was kept.

    shown: one entry of previews.json, see harness.data.previews; whatever is no media there is
    left out.
    """
    made = []
    examples = tuple(_example(entry) for entry in shown.get("classes", ()))
    if examples:
        made.append(Gallery(_title(shown, examples), examples, wide=not examples[0].course))
    turned = _media(shown.get("rotations"), PICTURE)
    if turned:
        text = ("The pretraining's task: each image as it is, then turned counter-clockwise by "
                "90, 180 and 270 degrees; which was it?")  # fmt: skip
        made.append(
            Gallery(text, (Example("four of the images", picture=turned, columns=4),), True)
        )
    return made


def _title(shown: Mapping[str, Any], examples: tuple[Example, ...]) -> str:
    number, every = len(examples), int(shown.get("n_classes", 0))
    kind = f"{HEARD}, of one example" if examples[0].course else "Some examples"
    known = plural(every, "class").replace("classs", "classes")
    return f"{kind} of each class" if number >= every else f"{kind} of each of {number} of {known}"


def _example(entry: Mapping[str, Any]) -> Example:
    ids = [str(one) for one in entry.get("ids", ())]
    picture = _media(entry.get("picture"), PICTURE)
    heard = "peaks" in entry
    seconds = f", {entry.get('seconds', 0):g} s" if heard else ""
    return Example(
        name=str(entry.get("class", "")),
        caption=", ".join(ids) + seconds,
        texts=tuple(str(text) for text in entry.get("texts", ())),
        picture=_media(entry.get("spectrogram"), PICTURE) if heard else picture,
        columns=0 if heard else len(ids),
        course=tuple(int(value) for value in entry.get("peaks", ())),
        sound=_media(entry.get("sound"), SOUND),
    )


def _media(value: Any, kind: str) -> str:
    return value if isinstance(value, str) and value.startswith(kind) else ""
