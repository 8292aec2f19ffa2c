from dataclasses import replace

import pytest
import torch
from tests.training.problems import QUICK, problem_for
from torch import Tensor, nn

from cotrain.errors import InputError
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import Rows
from cotrain.training.loop import train
from cotrain.training.precision import Autocast, scaler_of
from cotrain.training.run import Run
from cotrain.training.soft_sharing.cross_learning import CrossLearning
from cotrain.training.subset_data import SubsetData
from cotrain.training.trainer import Trainer

SUBSET = ("a", "b", "c")
HALF = replace(QUICK, precision="float16")
SHORT = 2.0**-28
"""A gradient that half precision rounds to zero."""


class Doubled(nn.Module):
    """Outputs in half precision, as a product of a weight and the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight


@pytest.mark.parametrize(("scaled", "expected"), [(False, 0.0), (True, SHORT)])
def test_scaling_keeps_short_gradients(scaled: bool, expected: float) -> None:
    network = Doubled()
    scaler = scaler_of(HALF, torch.device("cpu")) if scaled else None
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    outputs = Autocast(network, torch.float16, scaler)(torch.ones(1, 1))
    assert outputs.tolist() == [[1.0]]
    torch.autograd.backward((outputs * SHORT).sum())
    if scaler is not None:
        scaler.unscale_(optimizer)
    assert network.weight.grad is not None
    assert network.weight.grad.item() == pytest.approx(expected)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_about_as_well(precision: str) -> None:
    fits = [
        Trainer(problem_for(training=replace(QUICK, epochs=20, patience=20, precision=each))).fit(SUBSET)  # type: ignore[arg-type]
        for each in ("float32", precision)
    ]
    assert fits[0].curve.min() == pytest.approx(fits[1].curve.min(), rel=0.05)
    assert fits[0].curve.tolist() != fits[1].curve.tolist()


def test_a_step_whose_gradients_overflow_is_left_out() -> None:
    problem = problem_for(training=HALF)
    data = SubsetData.of(problem, SUBSET, torch.device("cpu"))
    run = Run.of((SUBSET, 0), problem.build(data.tasks), HALF)
    assert run.scaler is not None
    run.scaler.load_state_dict({**run.scaler.state_dict(), "scale": 2.0**40})
    fit = train(run, data, HALF)
    assert run.scaler.get_scale() < 2.0**40
    assert bool(torch.tensor(fit.curve).isfinite().all())


def test_half_precision_of_other_methods() -> None:
    fit = CrossLearning(0.3).fit(Trainer(problem_for(training=HALF)), SUBSET)
    assert fit.curve[-1] < fit.curve[0]


class Rooted(nn.Module):
    """Its gradient is not a number where inputs are all zero, though its outputs are."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.layer(inputs)
        return outputs + (outputs - outputs.detach()).square().sum().sqrt()


def test_gradients_that_are_no_numbers_are_refused() -> None:
    from cotrain.errors import DivergedError

    problem = replace(problem_for(missing=0.0), build=lambda _: Rooted())
    with pytest.raises(DivergedError, match="Training on a, b diverged: the loss is not finite in epoch 1"):
        Trainer(problem).fit(("a", "b"))


@pytest.mark.parametrize("options", [{"aggregation": "pcgrad"}, {"weighting": "dwa"}])
def test_half_precision_is_refused_where_gradients_are_weighed(options: dict[str, str]) -> None:
    with pytest.raises(InputError, match="choose 'bfloat16'"):
        TrainingOptions(precision="float16", **options)  # type: ignore[arg-type]


def test_rows_stay_in_single_precision() -> None:
    rows = Rows(torch.ones(2, 5), torch.ones(2, 1))
    assert Autocast(nn.Linear(5, 1), torch.float16)(rows.inputs).dtype == torch.float32
