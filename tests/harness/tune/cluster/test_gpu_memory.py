"""Whether models fit on a GPU together, from one trial's measured peak."""

import pytest

from harness.tune.cluster.gpu_memory import measured, misfit, trials_per_gpu

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("share", "trials"), [(0.25, 4), (0.3, 3), (0.3333, 3), (0.1, 10), (0.51, 1), (1, 1), (2, 1)]
)
def test_a_share_lets_so_many_trials_on_a_gpu(share: float, trials: int) -> None:
    """As many as the shares add up to one, no more."""
    assert trials_per_gpu(share) == trials


def test_four_times_a_fifth_of_the_memory_fits() -> None:
    """4 x 16 GB on 80 GB."""
    assert misfit(0.25, peak_bytes=16 * GB, total_bytes=80 * GB) is None


def test_four_times_a_third_of_the_memory_does_not_fit_and_three_would_not_either() -> None:
    """4 x 30 GB on 80 GB: two trials have room, with half a GPU each."""
    assert misfit(0.25, peak_bytes=30 * GB, total_bytes=80 * GB) == (
        "4 trials share a GPU of 80.0 GB and one of them took 30.0 GB: together they may run out "
        "of memory; resources.gpu: 0.5 puts 2 on it"
    )


def test_the_advised_share_is_one_that_works() -> None:
    """3 x 26 GB on 80 GB fit; 0.3333 is what Ray can book three times."""
    text = misfit(0.25, peak_bytes=26 * GB, total_bytes=80 * GB)
    assert text is not None and text.endswith("resources.gpu: 0.3333 puts 3 on it")
    assert misfit(0.3333, peak_bytes=26 * GB, total_bytes=80 * GB) is None


def test_a_trial_with_a_gpu_of_its_own_always_fits() -> None:
    """What it takes is its own affair."""
    assert misfit(1, peak_bytes=79 * GB, total_bytes=80 * GB) is None


def test_nothing_is_measured_on_a_cpu() -> None:
    """There is no share to fit into."""
    assert measured("cpu") is None


def test_a_gpu_tells_its_peak_and_its_size() -> None:
    """The peak is at least what was just taken."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    taken = torch.zeros(25_000_000, device="cuda")  # 100 MB
    found = measured("cuda")
    assert found is not None
    assert taken.nbytes <= found["peak_bytes"] <= found["total_bytes"]
