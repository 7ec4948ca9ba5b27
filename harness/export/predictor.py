"""Predict with an exported model. Needs this folder, torch and numpy, and what reads the inputs.

    from predictor import load

    model = load(".")
    model.predict(["a.wav", "b.wav"])  # (2, classes): the mean of the folds' probabilities

The folder holds code: load only folders of people whom you would let run a program.
"""

import hashlib
import importlib
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

FACTS = "export.json"
FORMATS = (1, 2)  # the first had no attributes

Array = NDArray[Any]


class InputError(Exception):
    """An input can't be predicted; the text says why."""


@dataclass(frozen=True, eq=False)
class FoldModel:
    """The model of one fold, and what was learned from the fold's train examples.

    Attributes:
        model: In evaluation mode.
        mean: (channels, 1, ...) on the model's device; None without normalisation.
        std: As `mean`.
        token_names: The text of each token id; None if the dataset has none.
    """

    model: nn.Module
    mean: Tensor | None
    std: Tensor | None
    token_names: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class Predictor:
    """The models of all folds, and how an input becomes what they receive.

    Attributes:
        facts: The contents of `export.json`.
        folds: The folds' models.
        reader: The `read_input` of the dataset's file; None if it has none.
        device: Where the models are.
    """

    facts: Mapping[str, Any]
    folds: tuple[FoldModel, ...]
    reader: Callable[..., Any] | None
    device: torch.device

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""
        return tuple(self.facts["class_names"])

    @property
    def takes(self) -> str | None:
        """What an input is: `path` of a file, or `text`; None if the dataset reads neither."""
        kind: str | None = self.facts["inputs"]["takes"]
        return kind

    def predict(self, sources: Sequence[str | Path]) -> Array:
        """Return (n, classes) probabilities, the means over folds.

        Args:
            sources: Paths of n files, or n texts.

        Raises:
            InputError: If an input can't be read.
        """
        mean: Array = self.probabilities([self.read(source) for source in sources]).mean(axis=0)
        return mean

    def read(self, source: str | Path) -> tuple[Array, ...]:
        """Return one input as each fold's model takes it, often the same array for all.

        Raises:
            InputError: If it can't be read.
        """
        if self.reader is None or self.takes is None:
            raise InputError(f"{self.facts['inputs']['dataset']} has no read_input")
        given = Path(source) if self.takes == "path" else str(source)
        read: dict[Any, Array] = {}
        for fold in self.folds:
            if fold.token_names not in read:
                read[fold.token_names] = self._read(given, fold.token_names)
        return tuple(read[fold.token_names] for fold in self.folds)

    def probabilities(self, examples: Sequence[tuple[Array, ...]]) -> Array:
        """Return (folds, n, classes) float64 of n examples, each as `read` returns it."""
        of_folds = [
            self.of_fold(number, np.stack([example[number] for example in examples]))
            for number in range(len(self.folds))
        ]
        return np.stack(of_folds)

    def of_fold(self, number: int, inputs: Array) -> Array:
        """Return (n, classes) float64 of one fold's model; inputs: (n, *input_shape), as stored."""
        with torch.no_grad():
            logits = self.folds[number].model(self.batch(number, inputs))
            probabilities: Array = logits.double().softmax(dim=1).cpu().numpy()
        return probabilities

    def batch(self, number: int, inputs: Array) -> Tensor:
        """Return what one fold's model receives of inputs (n, *input_shape), as stored."""
        fold, scale = self.folds[number], self.facts["inputs"]["scale"]
        batch = torch.from_numpy(np.array(inputs)).to(self.device)
        if not batch.is_floating_point() and scale is None:
            return batch.long()
        batch = batch.float()
        if scale is not None:
            batch = batch * scale
        return batch if fold.mean is None or fold.std is None else (batch - fold.mean) / fold.std

    def _read(self, given: str | Path, token_names: tuple[str, ...] | None) -> Array:
        """Return one example, as the front end leaves it."""
        about = self.facts["inputs"]
        learned = {"token_names": token_names} if about["learned"] else {}
        assert self.reader is not None
        try:
            example = np.asarray(self.reader(given, **about["options"], **learned))
        except OSError as error:
            raise InputError(error.strerror or str(error)) from error
        except Exception as error:  # decoders raise what they like
            raise InputError(str(error) or type(error).__name__) from error
        if about["front_end"] is not None:
            example = log_mel(example, about["front_end"])
        if list(example.shape) != about["shape"]:
            raise InputError(f"gives {list(example.shape)}, the model takes {about['shape']}")
        return example


def load(folder: str | Path = ".", *, device: str = "cpu") -> Predictor:
    """Load the model that was exported into a folder.

    Args:
        folder: The folder of `export.json`; its code is executed.
        device: A device, as torch names it.

    Raises:
        ValueError: If the folder has a format that this file doesn't know, or misses weights.
    """
    folder = Path(folder).resolve()
    text = (folder / FACTS).read_text(encoding="utf-8")
    facts = json.loads(text)
    if facts.get("format") not in FORMATS:
        known = " and ".join(map(str, FORMATS))
        raise ValueError(f"{folder / FACTS}: format {facts.get('format')}, this reads {known}")
    name = hashlib.sha256(f"{folder}\0{text}".encode()).hexdigest()[:12]
    build = _module(folder, "models", facts["model"]["name"], name).build
    with torch.random.fork_rng(devices=[]):
        folds = tuple(_folds(folder, facts, build, torch.device(device), name=name))
    about = facts["inputs"]
    reader = None
    if about["takes"] is not None:
        reader = _module(folder, "data_prep", about["dataset"], name).read_input
    return Predictor(facts, folds, reader, torch.device(device))


def log_mel(waveform: Array, settings: Mapping[str, Any]) -> Array:
    """Return the log-mel spectrogram (channels, n_mels, frames) of (channels, samples).

    It is float32, 10 log10 of the power, as bench's own front end makes it.
    """
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    names = ("sample_rate", "n_fft", "hop_length", "n_mels", "f_min", "f_max")
    spectrogram = MelSpectrogram(**{name: settings[name] for name in names})
    decibels = AmplitudeToDB("power", top_db=settings["top_db"])
    scaled = waveform[np.newaxis].astype(np.float32) * np.float32(settings["input_scale"])
    made: Array = decibels(spectrogram(torch.from_numpy(scaled)))[0].numpy()
    return made


def _folds(
    folder: Path,
    facts: Mapping[str, Any],
    build: Callable[..., nn.Module],
    device: torch.device,
    *,
    name: str,
) -> Iterator[FoldModel]:
    inputs = facts["inputs"]
    channels = (-1,) + (1,) * (len(inputs["shape"]) - 1)
    for fold in facts["folds"]:
        model = build(
            input_shape=tuple(inputs["shape"]),
            num_classes=len(facts["class_names"]),
            **_arguments(folder, build, {**facts["model"]["arguments"], **fold["arguments"]}, fold),
        )
        weights = torch.load(folder / fold["weights"], weights_only=True)
        missing, _ = model.load_state_dict(weights, strict=False)
        if any(not key.endswith("_extra_state") for key in missing):
            raise ValueError(f"{folder / fold['weights']}: no {', '.join(missing)}")
        if fold.get("attributes"):
            given = torch.load(folder / fold["attributes"], weights_only=True)
            kept = _module(folder, "", "module_state", name)
            # put_back_attributes: its name in folders that an earlier bench has exported
            restore = getattr(kept, "restore_attributes", None) or kept.put_back_attributes
            lost = restore(model, given)
            if lost:
                warnings.warn(f"{lost} is not what it was after the training", stacklevel=2)
        mean, std = (
            None if fold[key] is None else torch.tensor(fold[key], device=device).view(channels)
            for key in ("mean", "std")
        )
        names = fold["token_names"] and json.loads(
            (folder / fold["token_names"]).read_text("utf-8")
        )
        yield FoldModel(model.to(device).eval(), mean, std, names and tuple(names))


def _arguments(
    folder: Path, build: Callable[..., Any], plain: Mapping[str, Any], fold: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments of `build`: lists as tuples where it takes these, and learned arrays."""
    parameters = inspect.signature(build).parameters
    arguments = {
        name: tuple(value)
        if isinstance(value, list) and str(parameters[name].annotation).startswith("tuple")
        else value
        for name, value in plain.items()
    }
    if fold["arrays"] is None:
        return arguments
    with np.load(folder / fold["arrays"], allow_pickle=False) as arrays:
        return {**arguments, **dict(arrays)}


def _module(folder: Path, package: str, module: str, name: str) -> ModuleType:
    """Import a file of the folder under a unique name, so that nothing installed is in its way."""
    unique = f"exported_{name}_{package}"
    if unique not in sys.modules:
        made = ModuleType(unique)
        made.__path__ = [str(folder / package)]
        sys.modules[unique] = made
    return importlib.import_module(f"{unique}.{module}")
