"""The model, the folds and the training loop that Ray Tune, Hydra, W&B and benchopt are given."""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

N_FOLDS = 4


def split(fold: int) -> tuple[np.ndarray, ...]:
    """Train and test inputs (n, 64) in 0..1 and targets of one fold; the same on every call."""
    inputs, targets = load_digits(return_X_y=True)
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=42)
    train, test = list(folds.split(inputs, targets))[fold]
    inputs = inputs.astype(np.float32) / 16
    return inputs[train], targets[train], inputs[test], targets[test]


def fit(inputs: np.ndarray, targets: np.ndarray, *, hidden_dim: int, lr: float) -> nn.Module:
    """A perceptron with one hidden layer after 20 epochs of Adam."""
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(64, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    data = TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets))
    for _ in range(20):
        for batch, labels in DataLoader(data, batch_size=32, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch), labels).backward()
            optimizer.step()
    return model


def accuracy(model: nn.Module, inputs: np.ndarray, targets: np.ndarray) -> float:
    """Share of right classes."""
    with torch.no_grad():
        return float((model(torch.from_numpy(inputs)).argmax(1).numpy() == targets).mean())


def test_accuracy(fold: int, *, hidden_dim: int, lr: float) -> float:
    """One configuration trained and scored on one fold."""
    train_inputs, train_targets, test_inputs, test_targets = split(fold)
    model = fit(train_inputs, train_targets, hidden_dim=hidden_dim, lr=lr)
    return accuracy(model, test_inputs, test_targets)
