"""Quarter turns, by hand."""

import torch

from harness.training.rotation import all_turns, drawn_turns, rotation_grid, turned

IMAGE = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
TURNED = ([[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]])


def test_quarter_turns_go_counter_clockwise():
    """The right column comes to the top."""
    batch = turned(torch.stack([IMAGE] * 4), torch.arange(4))
    assert batch[:, 0].tolist() == [list(map(list, one)) for one in TURNED]


def test_all_turns_are_those_of_each_image():
    assert all_turns(IMAGE[None])[:, 0, 0].tolist() == [list(map(list, one)) for one in TURNED]


def test_turns_are_drawn_anew_each_epoch_unless_fixed():
    """Fixed ones are those of every epoch; all four occur about equally often."""
    first, second = (drawn_turns(4000, seed=1, epoch=n, per_epoch=True) for n in (1, 2))
    fixed = [drawn_turns(4000, seed=1, epoch=n, per_epoch=False) for n in (1, 2)]
    assert (first == second).double().mean() < 0.3
    assert torch.equal(*fixed)
    # four standard deviations of a binomial with n 4000, p 1/4: 110
    assert all(abs(int(n) - 1000) < 110 for n in torch.bincount(first, minlength=4))


def test_the_grid_shows_one_row_per_image():
    """Two images of 2 x 2 pixels: four of them side by side, in two rows."""
    grid = rotation_grid([IMAGE, 10 * IMAGE])
    assert grid.tolist() == [
        [[1, 2, 2, 4, 4, 3, 3, 1], [3, 4, 1, 3, 2, 1, 4, 2],
         [10, 20, 20, 40, 40, 30, 30, 10], [30, 40, 10, 30, 20, 10, 40, 20]]
    ]  # fmt: skip
