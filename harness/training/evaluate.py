"""Predictions in evaluation mode. Every number comes from all of a role's examples at once."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from harness.training.batches import FoldSource, evaluation_batch_size, gather


@dataclass(frozen=True, eq=False)
class Evaluation:
    """probabilities: (n, num_classes) float32, softmax; loss: mean cross-entropy; accuracy."""

    probabilities: NDArray[np.float32]
    loss: float
    accuracy: float


def evaluate(
    model: nn.Module, source: FoldSource, indices: Tensor, *, batch_size: int
) -> Evaluation:
    """Evaluate the model on the examples at the indices (on the source's device)."""
    targets = source.targets.index_select(0, indices)
    logits = predict_logits(model, source, indices, batch_size=batch_size)
    with torch.no_grad():
        log_probabilities = F.log_softmax(logits.float(), dim=1)
        loss = F.nll_loss(log_probabilities, targets)
        probabilities = log_probabilities.exp()
        # of what is stored, so that the accuracy is the one that the predictions give
        n_correct = (probabilities.argmax(1) == targets).sum()
        mean_loss, correct = torch.stack((loss.double(), n_correct.double())).tolist()
    return Evaluation(probabilities.cpu().numpy(), loss=mean_loss, accuracy=correct / len(targets))


def probabilities(logits: Tensor) -> NDArray[np.float32]:
    """Return those that `evaluate` makes of such logits, to the bit."""
    found: NDArray[np.float32] = F.log_softmax(logits.float(), dim=1).exp().cpu().numpy()
    return found


def predict_logits(
    model: nn.Module, source: FoldSource, indices: Tensor, *, batch_size: int
) -> Tensor:
    """Return logits (len(indices), num_classes) in evaluation mode; leaves the model in that mode.

    Not in torch's inference mode: a tensor that a model keeps from there can't be trained on, and
    gradients that it takes there are zero.
    """
    model.eval()
    size = evaluation_batch_size(source, batch_size)
    with torch.no_grad():
        return torch.cat([model(gather(source, part)) for part in torch.split(indices, size)])
