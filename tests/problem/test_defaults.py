"""The default network and training grow with the data as documented."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cotrain.problem.defaults import STEPS, WIDTHS, default_network, default_training

SIZES = st.integers(1, 10**6)


@given(SIZES, SIZES, st.integers(1, 2000))
@settings(max_examples=100, deadline=None)
def test_one_layer_as_wide_as_the_data_asks(features: int, rows: int, tasks: int) -> None:
    (width,) = default_network(features, rows, tasks).hidden
    needed = max((features * tasks) ** 0.5, rows / 128)
    assert width in WIDTHS
    assert width >= min(needed, WIDTHS[-1])
    assert width == WIDTHS[0] or WIDTHS[WIDTHS.index(width) - 1] < needed


@given(SIZES)
@settings(max_examples=100, deadline=None)
def test_small_data_gets_small_batches_and_more_epochs(rows: int) -> None:
    options = default_training(rows)
    assert 16 <= options.batch_size <= 128
    assert rows < 128 or rows / options.batch_size >= 8
    assert 30 <= options.epochs <= 300
    steps = options.epochs * -(-rows // options.batch_size)
    assert options.epochs in {30, 300} or 0.5 * STEPS < steps <= STEPS
    assert default_training(2 * rows).epochs <= options.epochs or options.batch_size < 128
    assert 10 <= options.patience <= 30
