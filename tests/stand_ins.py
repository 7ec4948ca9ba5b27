"""Generated stand-ins of the shipped datasets, in the publishers' layout, types and names.

A stand-in is not the published data, and the dataset files rightly refuse it. So `lay_out` also
says which of their constants (counts, checksums) a test has to replace; `use` replaces them.
"""

import csv
import hashlib
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from data_prep import cifar10, emotion, esc50
from harness.plugins import catalog

CLIPS_PER_CLASS = 10
FRAMES_PER_CLIP = 1  # of the nine: raw audio of full length takes minutes even for ten clips
IMAGES_PER_BATCH = 100
TEXTS = {"train": 60, "validation": 24, "test": 24}

Constants = Mapping[str, Any]


def lay_out(folder: Path, name: str) -> Constants:
    """Writes the dataset's stand-in below `folder`; the constants that describe it."""
    return LAYOUTS[name](folder)


def use(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lays the stand-in out and makes the dataset's file take it for the duration of a test."""
    module = catalog.load(catalog.find("dataset", name, folder=catalog.SHIPPED))
    for constant, value in lay_out(folder, name).items():
        monkeypatch.setattr(module, constant, value)


def _esc50(folder: Path) -> Constants:
    """ESC-10's classes; every clip is its class's tone, at a loudness of its own."""
    audio, meta = folder / esc50.FOLDER / "audio", folder / esc50.FOLDER / "meta"
    audio.mkdir(parents=True)
    meta.mkdir()
    rows = []
    for target, class_name in enumerate(esc50.ESC10_CLASSES):
        for clip in range(CLIPS_PER_CLASS):
            part = clip % 5 + 1
            name = f"{part}-{target}{clip:02d}-A-{target}.wav"
            _tone(audio / name, frequency_hz=200 * (target + 1), loudness=0.1 + 0.05 * clip)
            rows.append([name, part, target, class_name, "True", f"{target}{clip:02d}", "A"])
    with (meta / "esc50.csv").open("w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        writer.writerows(rows)
    return {"CLIPS_PER_CLASS": CLIPS_PER_CLASS, "N_FRAMES": FRAMES_PER_CLIP}


def _tone(file: Path, *, frequency_hz: float, loudness: float) -> None:
    time_s = np.arange(esc50.CLIP_SAMPLES) / esc50.CLIP_RATE_HZ
    tone = loudness * np.sin(2 * np.pi * frequency_hz * time_s)
    soundfile.write(file, tone, esc50.CLIP_RATE_HZ, subtype="PCM_16")


def _cifar10(folder: Path) -> Constants:
    """Noise around a brightness of each class's own, in six batches as Python 2 pickled them."""
    (folder / cifar10.FOLDER).mkdir(parents=True)
    random = np.random.default_rng(0)
    sums = {}
    for batch in cifar10.BATCHES_MD5:
        labels = np.arange(IMAGES_PER_BATCH) % len(cifar10.CLASS_NAMES)
        noise = random.integers(0, 60, size=(IMAGES_PER_BATCH, 3072))
        content = {
            "data": (noise + 19 * labels[:, None]).astype(np.uint8),
            "labels": labels.tolist(),
        }
        written = pickle.dumps(content, protocol=3).replace(b"numpy._core", b"numpy.core")
        (folder / cifar10.FOLDER / batch).write_bytes(written)
        sums[batch] = hashlib.md5(written).hexdigest()
    n_train = IMAGES_PER_BATCH * len(cifar10.TRAIN_BATCHES_MD5)
    return {
        "BATCHES_MD5": sums,
        "N_TRAIN": n_train,
        "N_TEST": IMAGES_PER_BATCH,
        "VALIDATION_PER_CLASS": 10,
    }


def _emotion(folder: Path) -> Constants:
    """Sentences that name their class, each with a number of its own."""
    (folder / emotion.FOLDER).mkdir(parents=True)
    published = {}
    for name, one in emotion.PUBLISHED.items():
        lines = [_sentence(one.role, number) for number in range(TEXTS[one.role])]
        written = "\n".join(lines).encode()
        (folder / emotion.FOLDER / name).write_bytes(written)
        digest = hashlib.sha256(written).hexdigest()
        published[name] = one._replace(n_examples=len(lines), sha256=digest)
    total = sum(TEXTS.values())
    return {"PUBLISHED": published, "N_KEPT": total, "N_DROPPED": total}


def _sentence(role: str, number: int) -> str:
    label = emotion.CLASS_NAMES[number % len(emotion.CLASS_NAMES)]
    return f"i feel {label} today and i say so for the {role} time {number};{label}"


def data_of_tests(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of real data where BENCH_DATA names one, else stand-ins of all datasets."""
    real = os.environ.get("BENCH_DATA")
    if real:
        return Path(real)
    for name in LAYOUTS:
        use(folder, name, monkeypatch)
    return folder


LAYOUTS: Mapping[str, Callable[[Path], Constants]] = {
    "esc50": _esc50,
    "cifar10": _cifar10,
    "emotion": _emotion,
}
