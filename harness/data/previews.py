"""A few examples of each class to read, to look at or to listen to.

Small enough to be kept with a run's tables and inside a page: plain JSON values, media as data
URIs.
"""

import base64
import io
import math
from typing import Any

import numpy as np

from harness.data.loading import Loaded, accepted
from harness.data.types import Array, TrialData

Preview = dict[str, Any]

# A page holds all previews, so each kind has a budget.
MOST_CLASSES = 60
PICTURES, FEW_PICTURES, MANY_CLASSES = 8, 4, 25  # a class; fewer where there are many classes
TEXTS = 3  # a class
LONGEST_TEXT = 300  # characters
TURNED = 4  # images in the picture of rotations
TURNS = 4  # of an image: 0, 90, 180 and 270 degrees
LARGEST_SIDE = 64  # pixels of one image; larger ones are made smaller
SOUND_CHARACTERS = 700_000  # of all sounds; classes beyond it are seen, not heard

RATE_HZ = 16_000  # of what is played
LONGEST_S = 6.0  # a clip of ESC-50 has five seconds
COMPRESSION = 0.99  # of 1: about 16 kbit/s, enough to know a sound by
COLUMNS = 120  # of the waveform and of the spectrogram
WINDOW = 512  # samples; 256 frequencies in 64 bands
BANDS = 64
RANGE_DB = 80.0  # below the loudest
LEVELS = 16  # as many as a palette of four bits has
# from quiet to loud; readable for colour-blind people
COLOURS = ((0, 32, 76), (65, 77, 107), (124, 123, 120), (187, 174, 111), (255, 234, 70))


def previews(loaded: Loaded, data: TrialData) -> dict[str, Any]:
    """Return examples of each class, the same ones on every machine.

    Args:
        loaded: As the dataset's file gives them.
        data: What a trial gets of it; examples without a label there are left out.

    Returns:
        `classes`: one entry a class with `class`, `ids` and `texts`, or `picture` (the ids side by
        side), or `peaks`, `seconds`, `spectrogram` and `sound`; empty for inputs that nobody can
        read. `n_classes`: how many there are. `rotations`: images in four turns, of rotation
        pretraining.
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
    """Return `texts`, `pictures` or `sound`, judged by the inputs; None for anything else."""
    inputs = loaded.examples.inputs
    if inputs.dtype.kind == "U" or _token_names(data) is not None:
        return "texts"
    if inputs.ndim == 4 and inputs.shape[1] in (1, 3):
        return "pictures"
    if inputs.ndim == 3 and loaded.description.sample_rate_hz:
        return "sound"
    return None


def picture_row(images: Array, input_scale: float | None) -> str:
    """Put images (n, 1 or 3, height, width) side by side, on transparent ground."""
    tiles = [_small(image) for image in _bytes(images, input_scale)]
    return png(_row(tiles))


def turned_pictures(images: Array, input_scale: float | None) -> str:
    """Draw a row an image: itself, then turned counter-clockwise by 90, 180 and 270 degrees."""
    rows = [
        _row([_small(np.rot90(image, turn)) for turn in range(TURNS)])
        for image in _bytes(images, input_scale)
    ]
    gap = np.zeros((_gap(rows[0]), *rows[0].shape[1:]), dtype=np.uint8)
    return png(np.concatenate([part for row in rows for part in (row, gap)][:-1]))


def png(pixels: Array) -> str:
    """Encode (height, width, 3 or 4) uint8 as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())


def palette_png(numbers: Array, palette: Array) -> str:
    """Encode (height, width) uint8 numbers of the rows of a palette (up to 16, 3) as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(numbers).convert("P")
    image.putpalette(palette.tobytes())
    image.save(buffer, "PNG", optimize=True, bits=4)
    return data_uri("image/png", buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Return the content as text that a page can hold."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def sound(waveform: Array, *, rate_hz: int) -> dict[str, Any]:
    """Describe the beginning of a mono waveform (samples,) as JSON values.

    Returns:
        `peaks`: lowest and highest value of each of the columns, -100 to 100 for -1 to 1.
        `seconds`: how much is kept. `spectrogram`: an image, 0 to 8 kHz upwards, 80 dB.
        `sound`: MP3, None where the installed libsndfile can't write it.
    """
    kept = _resampled(waveform[: math.ceil(LONGEST_S * rate_hz)], rate_hz)
    kept = np.clip(kept, -1, 1)
    return {
        "peaks": peaks(kept),
        "seconds": round(len(kept) / RATE_HZ, 2),
        "spectrogram": palette_png(_levels(spectrogram(kept)), _palette()),
        "sound": _mp3(kept),
    }


def peaks(waveform: Array, columns: int = COLUMNS) -> list[int]:
    """Return lowest, highest, lowest, highest … of equal stretches, as percent of full scale."""
    stretches = np.array_split(waveform, min(columns, len(waveform)))
    ends = [end for stretch in stretches for end in (float(stretch.min()), float(stretch.max()))]
    return [round(100 * end) for end in ends]


def spectrogram(waveform: Array) -> Array:
    """Return (bands, columns) in 0..1: decibels below the loudest, the highest band first."""
    padded = np.pad(waveform, (0, max(0, WINDOW - len(waveform))))
    starts = np.linspace(0, len(padded) - WINDOW, COLUMNS).astype(int)
    frames = np.stack([padded[start : start + WINDOW] for start in starts]) * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2
    bands = power.reshape(COLUMNS, BANDS, -1).max(axis=2).T[::-1]
    decibels = 10 * np.log10(np.maximum(bands, 1e-12) / max(float(bands.max()), 1e-12))
    values: Array = np.clip(1 + decibels / RANGE_DB, 0, 1)
    return values


def _chosen(loaded: Loaded, data: TrialData, number: int) -> list[tuple[str, Array]]:
    """Return class -> rows of the loaded examples, evenly spread over those of the class in use."""
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
    """Return these inputs, through the dataset's own `preview` where its file has one."""
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


def _bytes(images: Array, input_scale: float | None) -> Array:
    """Return (n, height, width, 3) uint8. Values are 0..1 once scaled, or spread to it together."""
    values = images.astype(np.float32) * (1.0 if input_scale is None else input_scale)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        values = (values - low) / max(high - low, 1e-12)
    pixels = (values * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def _small(image: Array) -> Array:
    from PIL import Image

    made = Image.fromarray(np.ascontiguousarray(image))
    made.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return np.asarray(made)


def _row(tiles: list[Array]) -> Array:
    """Return (height, width, 4): opaque tiles with gaps between."""
    height, width = tiles[0].shape[:2]
    gap = np.zeros((height, _gap(tiles[0]), 4), dtype=np.uint8)
    opaque = np.full((height, width, 1), 255, dtype=np.uint8)
    parts = [part for tile in tiles for part in (np.concatenate([tile, opaque], axis=2), gap)]
    return np.concatenate(parts[:-1], axis=1)


def _gap(tile: Array) -> int:
    return max(1, len(tile) // 16)


def _levels(values: Array) -> Array:
    """Return 0..1 as numbers of the palette: few distinct colours make a small file."""
    levels: Array = np.round(values * (LEVELS - 1)).astype(np.uint8)
    return levels


def _palette() -> Array:
    """Return (levels, 3) uint8."""
    stops, wanted = np.linspace(0, 1, len(COLOURS)), np.linspace(0, 1, LEVELS)
    parts = [
        np.interp(wanted, stops, [colour[channel] for colour in COLOURS]) for channel in range(3)
    ]
    palette: Array = np.stack(parts, axis=1).round().astype(np.uint8)
    return palette


def _resampled(waveform: Array, rate_hz: int) -> Array:
    if rate_hz == RATE_HZ:
        return waveform
    from scipy.signal import resample_poly

    common = math.gcd(rate_hz, RATE_HZ)
    resampled: Array = resample_poly(waveform, RATE_HZ // common, rate_hz // common)
    return resampled


def _mp3(waveform: Array) -> str | None:
    import soundfile

    if "MP3" not in soundfile.available_formats():
        return None
    buffer = io.BytesIO()
    soundfile.write(
        buffer, waveform.astype(np.float32), RATE_HZ, format="MP3", compression_level=COMPRESSION
    )
    return data_uri("audio/mpeg", buffer.getvalue())
