"""Arrays as small PNG images inside data URIs."""

import base64
import io

import numpy as np

from harness.data.types import Array

LARGEST_SIDE = 64  # pixels of one image; larger ones are made smaller
TURNS = 4


def picture_row(images: Array, input_scale: float | None) -> str:
    """(n, 1 or 3, height, width) side by side, on transparent ground."""
    tiles = [_small(image) for image in _bytes(images, input_scale)]
    return png(_row(tiles))


def turned_pictures(images: Array, input_scale: float | None) -> str:
    """One row an image: itself, then turned counter-clockwise by 90, 180 and 270 degrees."""
    rows = [
        _row([_small(np.rot90(image, turn)) for turn in range(TURNS)])
        for image in _bytes(images, input_scale)
    ]
    gap = np.zeros((_gap(rows[0]), *rows[0].shape[1:]), dtype=np.uint8)
    return png(np.concatenate([part for row in rows for part in (row, gap)][:-1]))


def png(pixels: Array) -> str:
    """(height, width, 3 or 4) uint8 as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())


def palette_png(numbers: Array, palette: Array) -> str:
    """(height, width) uint8 numbers of the rows of a palette (up to 16, 3), as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(numbers).convert("P")
    image.putpalette(palette.tobytes())
    image.save(buffer, "PNG", optimize=True, bits=4)
    return data_uri("image/png", buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """The content as text that a page can hold."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _bytes(images: Array, input_scale: float | None) -> Array:
    """(n, height, width, 3) uint8. Values are 0..1 once scaled, or else spread to it together."""
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
    """(height, width, 4): opaque tiles with gaps between."""
    height, width = tiles[0].shape[:2]
    gap = np.zeros((height, _gap(tiles[0]), 4), dtype=np.uint8)
    opaque = np.full((height, width, 1), 255, dtype=np.uint8)
    parts = [part for tile in tiles for part in (np.concatenate([tile, opaque], axis=2), gap)]
    return np.concatenate(parts[:-1], axis=1)


def _gap(tile: Array) -> int:
    return max(1, len(tile) // 16)
