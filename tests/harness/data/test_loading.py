"""A dataset's file called, and what is kept of its answer."""

from pathlib import Path

import pytest

from harness.config.sections import DatasetSection
from harness.data.loading import Loaded, load_dataset
from harness.errors import BenchError
from tests.dataset_builders import noise_examples, noise_module


def _changed() -> None:
    raise BenchError("changed")


def test_arrays_of_files_that_changed_meanwhile_are_not_kept(tmp_path: Path) -> None:
    """They are read again; arrays from the cache need no files, so nobody asks after these."""
    module = noise_module(noise_examples())

    def load(verify=None) -> Loaded:
        return load_dataset(
            module,
            section=DatasetSection.model_validate({"name": "noise"}),
            root=tmp_path,
            cache_dir=tmp_path / "cache",
            data_fingerprint="data",
            code_fingerprint="code",
            verify=verify,
        )

    with pytest.raises(BenchError, match="changed"):
        load(_changed)
    load(lambda: None)
    load(_changed)
    assert len(module.loads) == 2
