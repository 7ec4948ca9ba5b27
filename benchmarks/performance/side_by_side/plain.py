"""Bare PyTorch as one writes it by hand; the competitors differ in what they put around it."""

import csv
import importlib
import json
from functools import cache
from math import ceil
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def read(folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The workload and its arrays, see `workload.py`."""
    described = json.loads((folder / "workload.json").read_text())
    with np.load(folder / "arrays.npz") as arrays:
        return described, dict(arrays)


@cache
def read_once(folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The same, once a process."""
    return read(folder)


def tensors(arrays: dict[str, np.ndarray], fold: int, role: str) -> tuple:
    """Inputs and targets of a fold's role, normalised by its train examples."""
    indices = arrays[f"{role}{fold}"]
    inputs = torch.from_numpy(arrays["inputs"][indices])
    if f"mean{fold}" in arrays:
        channels = (-1,) + (1,) * (inputs.dim() - 2)
        mean, std = (torch.from_numpy(arrays[f"{key}{fold}"]) for key in ("mean", "std"))
        inputs = (inputs - mean.view(channels)) / std.view(channels)
    return inputs, torch.from_numpy(arrays["targets"][indices])


def train_fold(
    described: dict, arrays: dict[str, np.ndarray], configuration: dict, *, fold: int, loader: bool
) -> dict:
    """One configuration on one fold: accuracy of every epoch, the best epoch's test numbers.

    loader: batches of a DataLoader over a TensorDataset; else tensors indexed by a permutation.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training = configuration["training"]
    torch.manual_seed(described["seed"] * 1000 + fold)
    model = build(described, configuration).to(device)
    optimizer = make_optimizer(model, training)
    train = [one.to(device) for one in tensors(arrays, fold, "train")]
    validation = [one.to(device) for one in tensors(arrays, fold, "validation")]
    test = [one.to(device) for one in tensors(arrays, fold, "test")]
    steps = ceil(len(train[0]) / training["batch_size"]) * training["epochs"]
    schedule = None
    if training["schedule"] == "cosine":
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    data = TensorDataset(*train)
    loaded = DataLoader(data, batch_size=training["batch_size"], shuffle=True)
    best, best_state = -1.0, None
    for _ in range(training["epochs"]):
        model.train()
        for inputs, targets in loaded if loader else batches(*train, training["batch_size"]):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
        accuracy, _ = evaluate(model, *validation, training["batch_size"])
        if accuracy > best or training["selection"] == "last":
            best = accuracy
            if training["selection"] == "best":
                best_state = {key: value.clone() for key, value in model.state_dict().items()}
    if best_state is not None:
        model.load_state_dict(best_state)
    row = {"fold": fold}
    for role, (inputs, targets) in {"val": validation, "test": test}.items():
        if len(targets):
            accuracy, macro_f1 = evaluate(model, inputs, targets, training["batch_size"], f1=True)
            row |= {f"{role}_accuracy": accuracy, f"{role}_macro_f1": macro_f1}
    return row


def build(described: dict, configuration: dict) -> nn.Module:
    """The model of a configuration, from the same file as bench's."""
    module = importlib.import_module(f"models.{configuration['model']}")
    return module.build(
        input_shape=tuple(described["input_shape"]),
        num_classes=described["num_classes"],
        **configuration["arguments"],
    )


def make_optimizer(model: nn.Module, training: dict) -> torch.optim.Optimizer:
    """As torch makes it when nothing else is asked for."""
    common = {"lr": training["lr"], "weight_decay": training["weight_decay"]}
    if training["optimizer"] == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=training["momentum"], **common)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[training["optimizer"]]
    return kind(model.parameters(), **common)


def batches(inputs: torch.Tensor, targets: torch.Tensor, batch_size: int):
    """An epoch's batches in a new order."""
    for indices in torch.randperm(len(targets), device=targets.device).split(batch_size):
        yield inputs[indices], targets[indices]


@torch.no_grad()
def evaluate(
    model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, batch_size: int, f1: bool = False
) -> tuple[float, float | None]:
    """Accuracy, and macro F1 where it is asked for."""
    model.eval()
    predicted = torch.cat([model(part).argmax(1) for part in inputs.split(batch_size)])
    accuracy = (predicted == targets).float().mean().item()
    return accuracy, f1_score(targets.cpu(), predicted.cpu(), average="macro") if f1 else None


def finish(rows: list[dict], folder: Path) -> None:
    """The table of all folds as CSV, and one JSON line of the quality reached on stdout.

    rows: `configuration`, `fold`, `val_accuracy` and whatever else was measured.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    with (folder / "folds.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    means: dict[int, list[float]] = {}
    for row in rows:
        means.setdefault(row["configuration"], []).append(row["val_accuracy"])
    validation = [sum(values) / len(values) for values in means.values()]
    print(
        json.dumps(
            {
                "configurations": len(means),
                "folds": len(rows),
                "best_validation": max(validation),
                "mean_validation": sum(validation) / len(validation),
            }
        )
    )
