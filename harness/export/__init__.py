"""A trained model taken out of its results: a folder that predicts by itself, without Ray.

`export_model` writes the folder, `load_model` reads it back, `predict_all` goes through inputs.
"""

from harness.export.model_writer import Exported, export_model
from harness.export.predict import load_model, predict_all

__all__ = ["Exported", "export_model", "load_model", "predict_all"]
