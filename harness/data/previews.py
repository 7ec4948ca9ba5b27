"""A few examples of each class as a person takes them in: read, looked at or listened to.

Small enough to lie beside a run's tables and inside a page: plain JSON values, media as data URIs.
"""

from typing import Any

import numpy as np

from harness.data.audio_preview import sound
from harness.data.image_preview import picture_row, turned_pictures
from harness.data.loading import Loaded, accepted
from harness.data.types import Array, TrialData

MOST_CLASSES = 60
PICTURES, FEW_PICTURES, MANY_CLASSES = 8, 4, 25  # a class; fewer where there are many classes
TEXTS = 3
LONGEST_TEXT = 300
SOUND_CHARACTERS = 700_000  # of all sounds; classes beyond it are seen, not heard
TURNED = 4  # images in the picture of rotations

Preview = dict[str, Any]


def previews(loaded: Loaded, data: TrialData) -> dict[str, Any]:
    """Examples of each class, the same ones on every machine.

    loaded: as the dataset's file gives them. data: what a trial gets of it; examples without a
    label there are left out.
    `classes`: one entry a class with `class`, `ids` and `texts`, or `picture` (the ids side by
    side), or `peaks`, `seconds`, `spectrogram` and `sound`; empty for inputs that nobody can read.
    `n_classes`: how many there are. `rotations`: images in four turns, of rotation pretraining.
    """
    kind = kind_of(loaded, data)
    number = {"texts": TEXTS, "pictures": _pictures(data), "sound": 1}.get(kind or "", 0)
    chosen = _chosen(loaded, data, number) if number else []
    show = {"texts": _texts, "pictures": _picture, "sound": _sound}.get(kind or "")
    entries = [] if show is None else [show(loaded, data, name, rows) for name, rows in chosen]
    return {
        "n_classes": len(data.class_names),
        "classes": _within_budget(entries),
        "rotations": _rotations(loaded, data) if kind == "pictures" else None,
    }


def kind_of(loaded: Loaded, data: TrialData) -> str | None:
    """`texts`, `pictures` or `sound`, judged by what the inputs are; None for anything else."""
    inputs = loaded.examples.inputs
    if inputs.dtype.kind == "U" or _token_names(data) is not None:
        return "texts"
    if inputs.ndim == 4 and inputs.shape[1] in (1, 3):
        return "pictures"
    if inputs.ndim == 3 and loaded.description.sample_rate_hz:
        return "sound"
    return None


def _chosen(loaded: Loaded, data: TrialData, number: int) -> list[tuple[str, Array]]:
    """Class -> rows of the loaded examples, evenly spread over those of the class in use."""
    examples = loaded.examples
    labelled = np.isin(examples.example_ids, data.example_ids[data.targets >= 0])
    chosen = []
    for index, name in enumerate(data.class_names[:MOST_CLASSES]):
        rows = np.flatnonzero(labelled & (examples.targets == index))
        if len(rows):
            places = np.linspace(0, len(rows) - 1, min(number, len(rows))).round().astype(int)
            chosen.append((name, rows[places]))
    return chosen


def _texts(loaded: Loaded, data: TrialData, name: str, rows: Array) -> Preview:
    words = _token_names(data)
    if words is None or loaded.examples.inputs.dtype.kind == "U":
        texts = [str(text) for text in loaded.examples.inputs[rows]]
    else:
        chosen = np.isin(data.example_ids, loaded.examples.example_ids[rows])
        tokens = data.inputs[data.fold_inputs[0].inputs][chosen]
        texts = [" ".join(words[token] for token in row if token) for row in tokens.tolist()]
    return {**_named(loaded, name, rows), "texts": [_short(text) for text in texts]}


def _picture(loaded: Loaded, data: TrialData, name: str, rows: Array) -> Preview:
    images = _inputs(loaded, rows)
    return {**_named(loaded, name, rows), "picture": picture_row(images, _scale(loaded))}


def _sound(loaded: Loaded, data: TrialData, name: str, rows: Array) -> Preview:
    rate_hz = loaded.description.sample_rate_hz or 0
    waveform = _inputs(loaded, rows)[0].mean(axis=0, dtype=np.float32)
    return {**_named(loaded, name, rows), **sound(waveform, rate_hz=rate_hz)}


def _rotations(loaded: Loaded, data: TrialData) -> str | None:
    if data.pretraining is None:
        return None
    ids = data.example_ids[data.pretraining.train[:TURNED]]
    rows = np.flatnonzero(np.isin(loaded.examples.example_ids, ids))
    return turned_pictures(_inputs(loaded, rows), _scale(loaded))


def _inputs(loaded: Loaded, rows: Array) -> Array:
    """These inputs, through the dataset's own `preview` where its file has one."""
    inputs: Array = loaded.examples.inputs[rows]
    own = getattr(loaded.module, "preview", None)
    return inputs if own is None else np.asarray(own(inputs, **accepted(own, loaded.options)))


def _scale(loaded: Loaded) -> float | None:
    return loaded.examples.input_scale


def _token_names(data: TrialData) -> tuple[str, ...] | None:
    return data.fold_inputs[0].token_names


def _pictures(data: TrialData) -> int:
    return PICTURES if len(data.class_names) <= MANY_CLASSES else FEW_PICTURES


def _named(loaded: Loaded, name: str, rows: Array) -> Preview:
    return {"class": name, "ids": loaded.examples.example_ids[rows].tolist()}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT].rstrip() + "…"


def _within_budget(entries: list[Preview]) -> list[Preview]:
    left = SOUND_CHARACTERS
    for entry in entries:
        left -= len(entry.get("sound") or "")
        if left < 0:
            entry["sound"] = None
    return entries
