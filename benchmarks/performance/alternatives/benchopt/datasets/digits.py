"""The digits that scikit-learn ships."""

import numpy as np
from benchopt import BaseDataset
from sklearn.datasets import load_digits


class Dataset(BaseDataset):
    """1,797 pictures of 8 x 8."""

    name = "Digits"

    def get_data(self):
        """Inputs (1797, 64) in 0..1 and targets."""
        X, y = load_digits(return_X_y=True)
        return {"X": X.astype(np.float32) / 16, "y": y}
