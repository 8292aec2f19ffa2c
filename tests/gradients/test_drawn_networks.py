"""Networks that nobody wrote: layers, widths, sharing and pooling are drawn, and every path agrees with the loop."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cotrain.gradients.bases import Identity, KhatriRao
from cotrain.gradients.engine import Engine
from cotrain.gradients.parameters import parameter_shapes
from cotrain.problem.rows import Rows

from .networks import rows_of
from .toys import MIXED, loop_gradients, targets_for

WIDTH = 4
STEPS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(WIDTH, WIDTH),
    "without bias": lambda: nn.Linear(WIDTH, WIDTH, bias=False),
    "layer norm": lambda: nn.LayerNorm(WIDTH),
    "rms norm": lambda: nn.RMSNorm(WIDTH),
    "convolution": lambda: Along(nn.Conv1d(WIDTH, WIDTH, 3, padding=1)),
    "grouped": lambda: Along(nn.Conv1d(WIDTH, WIDTH, 2, padding="same", groups=2, dilation=2)),
    "group norm": lambda: Along(nn.GroupNorm(1, WIDTH)),  # two numbers alone would be normalised to signs
    "batch norm": lambda: Along(nn.BatchNorm1d(WIDTH)),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


class Along(nn.Module):
    """A layer that wants channels before positions."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, hidden: Tensor) -> Tensor:
        output: Tensor = self.layer(hidden.transpose(1, 2)).transpose(1, 2)
        return output


@dataclass(frozen=True)
class Drawn:
    """What a network consists of."""

    steps: tuple[str, ...]
    again: bool
    mean: bool
    positions: int

    def build(self) -> nn.Module:
        return _Network(self)


class _Network(nn.Module):
    def __init__(self, drawn: Drawn) -> None:
        super().__init__()
        self._again, self._mean = drawn.again, drawn.mean
        self.first = nn.Linear(3, WIDTH)
        self.middle = nn.Sequential(*[STEPS[name]() for name in drawn.steps])
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.middle(self.first(inputs))
        hidden = self.middle(torch.tanh(hidden)) if self._again else hidden
        output: Tensor = self.head(hidden.mean(dim=1) if self._mean else hidden.sum(dim=1))
        return output


@settings(max_examples=25, deadline=None)
@given(
    drawn=st.builds(
        Drawn,
        st.lists(st.sampled_from(sorted(STEPS)), max_size=4).map(tuple),
        st.booleans(),
        st.booleans(),
        st.integers(1, 5),
    ),
    count=st.integers(1, 6),
    missing=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 99),
)
def test_drawn_networks_agree_with_the_loop(drawn: Drawn, count: int, missing: float, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = drawn.build().eval()
    rows = Rows(rows_of(count, drawn.positions, 3), targets_for(MIXED, count, seed=seed, missing=missing))
    shapes = parameter_shapes(network)
    truth = loop_gradients(network, MIXED, rows, list(shapes))
    for basis in (Identity(shapes), KhatriRao(shapes, dimension=7, seed=seed)):
        engine = Engine(network, MIXED, basis, rows)
        assert engine.plan.reasons == {}
        for column, task in enumerate(MIXED):
            observed = rows.observed[:, column].nonzero()[:, 0]
            (found,) = engine.run(rows.take(observed), [column])
            gradients = truth[task.name][0]
            expected, size = basis.apply(gradients), torch.cat([part.flatten() for part in gradients.values()]).norm()
            assert float((found.features - expected).norm()) <= 1e-5 * float(torch.maximum(size, expected.norm()))
