import torch
from torch import Tensor

from cotrain.gradients.fit_directions import fit_directions
from cotrain.gradients.task_gradients import TaskGradients


def rows_of_two_tasks() -> list[TaskGradients]:
    """One task's rows differ along the first axes, the other's along the last; both along some more than others."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.logspace(0, -2, 12)
    features = [
        torch.randn(50, 12, generator=generator) * spread,
        torch.randn(50, 12, generator=generator) * spread.flip(0),
    ]
    offset = torch.randn(50, generator=generator)
    return [
        TaskGradients(features[0], offset, torch.arange(50), "logistic"),
        TaskGradients(features[1], offset, torch.arange(50), "square"),
    ]


def step(rows: TaskGradients, pull: Tensor, ridge: float) -> Tensor:
    """Return the Newton step of one task alone."""
    chance = rows.offset.sigmoid()
    weight = chance * (1 - chance) if rows.loss == "logistic" else torch.full_like(chance, 2.0)
    hessian = (rows.features.T * weight) @ rows.features / len(rows)
    solved: Tensor = torch.linalg.solve(hessian + ridge * torch.eye(12), pull)
    return solved


def test_directions_are_orthonormal_and_repeat() -> None:
    rows, pulls = rows_of_two_tasks(), torch.randn(2, 12, generator=torch.Generator().manual_seed(1))
    directions = fit_directions(rows, pulls, dimension=8, seed=3)
    torch.testing.assert_close(directions.T @ directions, torch.eye(8).double(), rtol=0, atol=1e-8)
    assert torch.equal(directions, fit_directions(rows, pulls, dimension=8, seed=3))


def test_fits_move_within_the_directions() -> None:
    rows = rows_of_two_tasks()
    pulls = 1e-3 * torch.randn(2, 12, generator=torch.Generator().manual_seed(1))
    directions = fit_directions(rows, pulls, dimension=10, seed=0).float()
    for task, pull in zip(rows, pulls, strict=True):
        move = step(task, pull, ridge=0.05)
        assert float((directions.T @ move).norm() / move.norm()) > 0.99


def test_no_more_directions_than_there_are() -> None:
    rows, pulls = rows_of_two_tasks(), torch.zeros(2, 12)
    assert fit_directions(rows, pulls, dimension=100, seed=0).shape == (12, 12)
