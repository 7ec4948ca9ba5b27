"""Small folders and tables of a user's own: pictures, sounds and texts of two classes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image


def write_images(
    folder: Path, classes: Sequence[str] = ("cat", "dog"), *, n: int = 4, size: int = 20
) -> Path:
    """`n` noisy grey pictures of each class; the classes differ in brightness."""
    random = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(n):
            grey = random.normal(60 + 120 * number, 20, size=(size, size)).clip(0, 255)
            Image.fromarray(grey.astype(np.uint8)).save(folder / name / f"{index:02d}.png")
    return folder


def write_sounds(
    folder: Path, classes: Sequence[str] = ("high", "low"), *, n: int = 4, rate_hz: int = 8000
) -> Path:
    """`n` tones of a fifth of a second of each class; the classes differ in pitch."""
    time_s = np.arange(rate_hz // 5) / rate_hz
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(n):
            tone = (0.2 + 0.1 * index) * np.sin(2 * np.pi * (880 - 440 * number) * time_s)
            soundfile.write(folder / name / f"{index:02d}.wav", tone, rate_hz, subtype="PCM_16")
    return folder


def write_texts(file: Path, *, n: int = 4) -> Path:
    """`n` reviews of each class, from a different writer each two."""
    rows = ["text,label,group"]
    for index in range(2 * n):
        mood = "awful" if index % 2 else "great"
        rows.append(
            f'"a {mood}, {mood} film no {index}",{"bad" if index % 2 else "good"},w{index // 2}'
        )
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file
