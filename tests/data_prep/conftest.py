"""A small stand-in for the published ESC-50 folder: one sound per class, many names."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep import esc50

MakeTree = Callable[[Path], Path]


@pytest.fixture
def make_tree() -> MakeTree:
    """`make_tree(root)` lays out 400 ESC-10 clips below root; every class is one steady tone."""
    return _make_tree


def _make_tree(root: Path) -> Path:
    folder = root / "ESC-50-master"
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    with (folder / "meta" / "esc50.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        for target, class_name in enumerate(esc50.ESC10_CLASSES):
            sound = _sound(folder / f"{class_name}.wav", target)
            for clip in range(40):
                part = clip % 5 + 1
                name = f"{part}-{target}{clip:02d}-A-{target}.wav"
                os.link(sound, folder / "audio" / name)
                writer.writerow(
                    [name, part, target, class_name, "True", f"{target}{clip:02d}", "A"]
                )
            sound.unlink()
    return folder


def _sound(file: Path, target: int) -> Path:
    time = np.arange(esc50.CLIP_SAMPLES) / esc50.CLIP_RATE_HZ
    tone = 0.5 * np.sin(2 * np.pi * 200 * (target + 1) * time)
    soundfile.write(file, tone, esc50.CLIP_RATE_HZ, subtype="PCM_16")
    return file
