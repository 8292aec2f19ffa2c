"""Checks, seeds and costs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cotrain import checks
from cotrain.cost import Cost, measure
from cotrain.errors import InputError, MissingExtraError
from cotrain.seeding import derive, generator, seeded


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, -math.inf])
def test_at_least_refuses(value: float) -> None:
    with pytest.raises(InputError, match=r"`k` must be at least 1\. Found"):
        checks.at_least("k", value, 1)


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_within_refuses(value: float) -> None:
    with pytest.raises(InputError, match="`p` must lie between 0 and 1"):
        checks.within("p", value, 0, 1)


def test_many_problems_are_reported_at_once() -> None:
    error = InputError(["first.", "second."])
    assert error.problems == ("first.", "second.")
    assert str(error).startswith("2 problems:")
    assert isinstance(error, ValueError)


def test_a_missing_extra_says_how_to_install_it() -> None:
    assert "pip install 'cotrain[parquet]'" in str(MissingExtraError("reading", extra="parquet"))


@given(seed=st.integers(0, 2**31), names=st.lists(st.text(max_size=5), max_size=3))
def test_derived_seeds_are_repeatable_and_fit_torch(seed: int, names: list[str]) -> None:
    assert derive(seed, *names) == derive(seed, *names)
    assert 0 <= derive(seed, *names) < 2**63
    generator(seed, *names)


def test_seeded_blocks_leave_global_state_alone() -> None:
    before = torch.get_rng_state()
    with seeded(3, "a"):
        first = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    with seeded(3, "a"):
        assert torch.equal(torch.rand(4), first)
    with seeded(3, "b"):
        assert not torch.equal(torch.rand(4), first)


def test_costs_add_up() -> None:
    assert sum([Cost(1, 2, 3), Cost(10, 20, 30)], Cost()) == Cost(11, 22, 33)
    assert Cost(**Cost(1, 2, 3).to_dict()) == Cost(1, 2, 3)


def test_measure_counts_the_operations_of_its_block_only() -> None:
    a = torch.ones(4, 5)
    with measure() as meter:
        a @ a.T
    a @ a.T
    assert meter.cost.flops == 2 * 4 * 5 * 4
    assert meter.cost.seconds > 0
