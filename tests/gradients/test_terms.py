import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cotrain.gradients.bases import Directions, Principal
from cotrain.gradients.bases.parts import RankOne
from cotrain.gradients.bases.terms import choose_terms


def drawn(seed: int, vectors: int, targets: int) -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    matrix = torch.randn(9, vectors, generator=stream, dtype=torch.double)
    return matrix, torch.randn(vectors, targets, generator=stream, dtype=torch.double)


def distance(matrix: Tensor, mixing: Tensor, chosen: Tensor) -> float:
    """Return the summed squared distance of the targets from the span of some vectors."""
    targets = matrix @ mixing
    fitted = matrix[:, chosen] @ torch.linalg.lstsq(matrix[:, chosen], targets).solution
    return float((targets - fitted).square().sum())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), vectors=st.integers(2, 7), targets=st.integers(1, 4))
def test_every_choice_takes_the_most_off(seed: int, vectors: int, targets: int) -> None:
    matrix, mixing = drawn(seed, vectors, targets)
    taken: list[int] = []
    for count in range(1, vectors + 1):
        chosen = choose_terms(matrix.T @ matrix, mixing, count).tolist()
        (new,) = set(chosen) - set(taken)
        best = min(distance(matrix, mixing, torch.tensor([*taken, j])) for j in set(range(vectors)) - set(taken))
        assert abs(distance(matrix, mixing, torch.tensor([*taken, new])) - best) <= 1e-9 * (1 + best)
        taken = chosen


def test_vectors_that_are_combinations_of_others_are_passed_over() -> None:
    matrix, _ = drawn(0, 4, 1)
    matrix = torch.cat([matrix, matrix[:, :2] @ torch.ones(2, 3, dtype=torch.double)], dim=1)
    chosen = choose_terms(matrix.T @ matrix, torch.ones(7, 2, dtype=torch.double), 7)
    assert len(chosen) <= 4
    assert torch.linalg.matrix_rank(matrix[:, chosen]) == len(chosen)


def basis_of(terms: int, dimension: int) -> Principal:
    stream = torch.Generator().manual_seed(1)
    shapes = {"weight": (5, 6), "bias": (5,)}
    left = torch.randn(5, terms, generator=stream)
    sides = {"weight": torch.randn(6, terms, generator=stream), "bias": torch.randn(1, terms, generator=stream)}
    inner = Directions(shapes, {name: RankOne(left, right) for name, right in sides.items()})
    whole = Principal.spanning(inner)
    directions = torch.linalg.qr(torch.randn(whole.dimension, dimension, generator=stream)).Q
    return whole.restricted(directions)


def lifted(basis: Principal) -> Tensor:
    updates = [basis.lift(w) for w in torch.eye(basis.dimension)]
    return torch.stack([torch.cat([part.flatten() for part in update.values()]) for update in updates], dim=1)


def test_a_basis_of_fewer_terms_is_orthonormal_and_close() -> None:
    basis = basis_of(terms=16, dimension=4)
    kept = []
    for count in (6, 10, 15):
        fewer = basis.of_fewer_terms(count)
        directions = lifted(fewer)
        assert fewer.raw_dimension == count
        torch.testing.assert_close(directions.T @ directions, torch.eye(4), rtol=0, atol=1e-4)
        kept.append(float((directions.T @ lifted(basis)).square().sum()) / 4)
    assert kept == sorted(kept)
    assert kept[-1] > 0.95


def test_directions_within_few_terms_lose_nothing() -> None:
    inner = basis_of(terms=16, dimension=2).inner
    assert isinstance(inner, Directions)
    few = Principal.spanning(inner.some(torch.tensor([3, 7, 11])))
    mixing = torch.zeros(16, 3).index_copy(0, torch.tensor([3, 7, 11]), few.mixing)
    fewer = Principal(inner, mixing).of_fewer_terms(3)
    torch.testing.assert_close(lifted(fewer) @ lifted(fewer).T, lifted(few) @ lifted(few).T, rtol=0, atol=1e-4)


def test_weight_and_bias_still_share_a_side() -> None:
    inner = basis_of(terms=16, dimension=4).of_fewer_terms(6).inner
    assert isinstance(inner, Directions)
    weight, bias = inner.parts["weight"], inner.parts["bias"]
    assert isinstance(weight, RankOne)
    assert isinstance(bias, RankOne)
    assert weight.left is bias.left
