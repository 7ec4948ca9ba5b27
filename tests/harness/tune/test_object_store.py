"""Data at rest: equal inputs lie in the store once, and are read there without a copy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray

from harness.data.types import TrialData
from harness.data.write_protection import is_protected
from harness.training.batches import as_tensor, fold_source, gather
from harness.tune.object_store import get_data, put_data
from tests.builders import CPU, make_trial_data


class Store(dict[int, object]):
    """What an object store does, in a dictionary: value in, reference out."""

    def put(self, value: object) -> int:
        self[len(self)] = value
        return len(self) - 1

    def arrays(self) -> list[np.ndarray]:
        kept = [stored.value for stored in self.values()]
        return [value for value in kept if isinstance(value, np.ndarray)]


def with_half_the_train_examples(data: TrialData) -> TrialData:
    folds = tuple(replace(fold, train=fold.train[::2]) for fold in data.folds)
    copies = tuple(array.copy() for array in data.inputs)
    return replace(data, inputs=copies, folds=folds, fingerprint="half")


def test_values_with_equal_inputs_store_them_once() -> None:
    """As `dataset.train_per_class` makes them: other folds, the same examples."""
    store, whole = Store(), make_trial_data()
    half = with_half_the_train_examples(whole)

    references = put_data({"whole": whole, "half": half}, put=store.put)

    assert len(store.arrays()) == 1
    assert (
        get_data(references["whole"], get=store.get).inputs[0]
        is (get_data(references["half"], get=store.get).inputs[0])
    )


def test_a_value_comes_back_as_it_was() -> None:
    """Inputs, folds and all the rest."""
    store, data = Store(), make_trial_data(fingerprint="one")

    found = get_data(put_data({"key": data}, put=store.put)["key"], get=store.get)

    assert found.fingerprint == "one" and found.folds is data.folds
    assert np.array_equal(found.inputs[0], data.inputs[0])


def test_inputs_of_equal_shape_and_other_content_stay_apart() -> None:
    """Each fold of word vectors has its own."""
    store, one = Store(), make_trial_data(seed=0)
    other = make_trial_data(seed=1)

    references = put_data({"one": one, "other": other}, put=store.put)

    assert len(store.arrays()) == 2
    assert np.array_equal(get_data(references["other"], get=store.get).inputs[0], other.inputs[0])


def test_a_step_sees_gathered_batches_and_never_the_shared_array() -> None:
    """Writing into a batch leaves the data of all other trials as it is."""
    data = make_trial_data()
    source = fold_source(data, 0, CPU)
    before = data.inputs[0].copy()

    batch = gather(source, source.targets.new_tensor([0, 1]))
    batch.zero_()

    assert np.array_equal(data.inputs[0], before)
    assert source.inputs.data_ptr() == data.inputs[0].ctypes.data


@pytest.mark.ray
@pytest.mark.slow
def test_all_workers_of_a_node_map_the_same_copy() -> None:
    """Two processes read one file of shared memory at the same offset; one that writes into it ends
    before it has changed anything."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        data = make_trial_data(n=60_000, input_shape=(20,))
        reference = put_data({"key": data})["key"]

        places = ray.get([_place.remote([reference]) for _ in range(2)])

        assert places[0] == places[1]
        assert places[0]["writeable"] is False
        assert places[0]["protected"] == [True, True, True]
        with pytest.raises(ray.exceptions.WorkerCrashedError):
            ray.get(_write.options(max_retries=0).remote([reference]))
        assert np.array_equal(get_data(reference).inputs[0], data.inputs[0])
    finally:
        ray.shutdown()


@ray.remote
def _place(references: list[object]) -> dict[str, object]:
    """Where in shared memory the inputs lie: the mapped file and the offset in it."""
    data = get_data(references[0])
    array = data.inputs[0]
    protected = [is_protected(one) for one in (array, data.targets, data.folds[0].train)]
    address = array.ctypes.data
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        low, high = (int(one, 16) for one in fields[0].split("-"))
        if low <= address < high:
            offset = int(fields[2], 16) + address - low
            file = (fields[3], fields[4])  # device and inode
            found = {"file": file, "offset": offset, "writeable": array.flags.writeable}
            return {**found, "protected": protected}
    raise LookupError("not mapped")


@ray.remote
def _write(references: list[object]) -> None:
    """What NumPy's flag does not stop."""
    as_tensor(get_data(references[0]).inputs[0]).fill_(0)
