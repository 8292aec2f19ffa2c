import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cotrain.gradients.factors import Channels, Entries, Factor, Patches, Tokens, Values
from cotrain.gradients.row_gradient import Factored, Folded, Materialised, RowGradient, RowSlice, Summed

ROWS, OUT, IN = 4, 5, 6


def forms(positions: int, seed: int) -> dict[str, tuple[RowGradient, Tensor]]:
    """Every form of gradient, with what it should be in full."""
    stream = torch.Generator().manual_seed(seed)
    above, below = (
        torch.randn(ROWS, positions, OUT, generator=stream),
        torch.randn(ROWS, positions, IN, generator=stream),
    )
    codes = torch.randint(-1, OUT, (ROWS, positions), generator=stream)
    true = above.transpose(1, 2) @ below
    hot = torch.zeros(ROWS, positions, OUT + 1).scatter_(2, codes[:, :, None] + 1, 1.0)[:, :, 1:]
    few = torch.zeros_like(above).index_copy(2, torch.tensor([1, 4]), above[:, :, 1:3])
    left, right = Values(above, remember=True), Values(below)
    padded = torch.cat([torch.zeros(ROWS, 1, IN), true, torch.zeros(ROWS, 2, IN)], dim=1)
    return {
        "materialised": (Materialised(true), true),
        "factored": (Factored(left, right), true),
        "channels": (Factored(Channels(above.transpose(1, 2)), right), true),
        "tokens": (Factored(Tokens(codes, OUT), right), hot.transpose(1, 2) @ below),
        "entries": (Factored(Entries(above[:, :, 1:3], torch.tensor([1, 4]), OUT), right), few.transpose(1, 2) @ below),
        "summed": (Summed(left), above.sum(1)[:, :, None]),
        "slice": (RowSlice(Factored(left, right), slice(1, 1 + OUT), OUT + 3), padded),
        "folded": (Folded(Factored(left, right), 2), true.reshape(2, 2, OUT, IN).sum(1)),
    }


@settings(max_examples=25, deadline=None)
@given(positions=st.integers(1, 9), directions=st.integers(1, 30), width=st.integers(1, 30), seed=st.integers(0, 999))
def test_every_form_gives_what_the_full_gradient_gives(positions: int, directions: int, width: int, seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    for gradient, true in forms(positions, seed).values():
        o, i = true.shape[1:]
        left = torch.randn(o, directions, generator=stream)
        right = torch.randn(i, directions, generator=stream)
        projected = torch.einsum("noi,or,ir->nr", true, left, right)
        for _ in range(2):
            raw = torch.ones_like(projected)
            gradient.add_projection(raw, left, right)
            torch.testing.assert_close(raw, projected + 1, rtol=1e-4, atol=1e-4)
        wide = torch.randn(i, width, generator=stream)
        torch.testing.assert_close(gradient.sandwich(left, wide), left.T @ true @ wide, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(gradient.dense(), true, rtol=1e-4, atol=1e-5)
        outer = gradient.outer()
        if outer is not None:
            torch.testing.assert_close(torch.einsum("no,ni->noi", *outer), true, rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(positions=st.integers(1, 9), seed=st.integers(0, 999))
def test_moments_are_those_of_the_full_gradient(positions: int, seed: int) -> None:
    for name in ("factored", "channels", "tokens"):
        gradient, true = forms(positions, seed)[name]
        assert isinstance(gradient, Factored)
        left, right = gradient.moments()
        torch.testing.assert_close(left, torch.einsum("noi,npi->op", true, true), rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(right, torch.einsum("noi,noj->ij", true, true), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("remember", [True, False])
def test_products_are_remembered_where_that_was_asked_for(remember: bool) -> None:
    factor = Values(torch.randn(2, 3, 4), remember=remember)
    directions = torch.randn(4, 5)
    assert (factor.times(directions) is factor.times(directions)) == remember
    other = directions + 1
    torch.testing.assert_close(factor.times(other), factor.dense() @ other)


@pytest.mark.parametrize("space", [1, 2, 3])
def test_patches_multiply_as_they_unfold(space: int) -> None:
    inputs = torch.randn(2, 3, *range(7, 7 + space))
    kernel, stride, dilation = (2,) * space, (2,) * space, (3,) * space
    patches: Factor = Patches(inputs, kernel, stride, dilation)
    directions = torch.randn(patches.size, 5)
    torch.testing.assert_close(patches.times(directions), patches.dense() @ directions, rtol=1e-4, atol=1e-5)
