"""Distances between samples of rows, all pairs of samples at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cotrain.affinity.divergences.data_samples import DataSamples
from cotrain.seeding import generator

Measure: TypeAlias = Literal["mmd", "wasserstein", "proxy-a"]
Distances: TypeAlias = NDArray[np.float64]

_FREQUENCIES = 128
_WIDTH_ROWS = 500
_DIRECTIONS = 64
_QUANTILES = 64
_COMPONENTS = 32
_FOLDS = 2


class Divergence(NamedTuple):
    """A distance between samples: what it is called, and how all pairs of samples are compared."""

    unit: str
    of: Callable[[DataSamples, int], Distances]


def squared_mmd(samples: DataSamples, seed: int) -> Distances:
    r"""Return unbiased estimates of :math:`\|\mu_a - \mu_b\|^2` in the space of a Gaussian kernel.

    A row is not compared with itself, within a sample or between two that share it; so two samples with the same rows
    have distance zero, and so have, on average, two samples of one distribution.
    """
    waves = _random_waves(samples.features, seed)
    member = samples.member.double()
    sizes, common = member.sum(dim=1), member @ member.T
    total = member @ waves.double()
    pairs = torch.outer(sizes, sizes) - common
    similarity = (total @ total.T - common) / pairs.clamp(min=1)
    own = similarity.diagonal()
    distance = own[:, None] + own[None, :] - 2 * similarity
    return distance.fill_diagonal_(0.0).numpy()


def sliced_wasserstein(samples: DataSamples, seed: int) -> Distances:
    """Return mean Wasserstein-1 distances over random directions, from 64 quantiles of every sample."""
    directions = torch.randn(samples.features.shape[1], _DIRECTIONS, generator=generator(seed, "directions"))
    heights = samples.features @ (directions / directions.norm(dim=0))
    levels = (torch.arange(_QUANTILES) + 0.5) / _QUANTILES
    quantiles = torch.stack([torch.quantile(heights[member], levels, dim=0).flatten() for member in samples.member])
    return (torch.cdist(quantiles, quantiles, p=1) / quantiles.shape[1]).double().fill_diagonal_(0.0).numpy()


def proxy_a_distance(samples: DataSamples, seed: int) -> Distances:
    """Return ``2 (1 - 2 error)`` of held-out logistic regressions on at most 32 principal components.

    A row is in the same fold of both samples. Both samples count alike, whatever their sizes.
    """
    features = _components(samples.features)
    fold = torch.randperm(len(features), generator=generator(seed, "folds")).numpy() % _FOLDS
    member = samples.member.numpy()
    distances = np.zeros((len(member), len(member)))
    for a, b in zip(*np.triu_indices(len(member), 1), strict=True):
        rows = np.concatenate([np.flatnonzero(member[a]), np.flatnonzero(member[b])])
        label = np.repeat([0, 1], [member[a].sum(), member[b].sum()])
        distances[a, b] = distances[b, a] = max(0.0, 2 * (1 - 2 * _held_out_error(features[rows], label, fold[rows])))
    return distances


DIVERGENCES: dict[Measure, Divergence] = {
    "mmd": Divergence("squared MMD", squared_mmd),
    "wasserstein": Divergence("sliced Wasserstein distance", sliced_wasserstein),
    "proxy-a": Divergence("proxy-A distance", proxy_a_distance),
}


def _random_waves(features: Tensor, seed: int) -> Tensor:
    """Return random Fourier features ``(rows, 2 * frequencies)`` of unit length; the kernel has the median width."""
    some = features[torch.randperm(len(features), generator=generator(seed, "width"))[:_WIDTH_ROWS]]
    apart = torch.pdist(some)
    width = float(apart[apart > 0].median()) if bool((apart > 0).any()) else 1.0
    frequencies = torch.randn(features.shape[1], _FREQUENCIES, generator=generator(seed, "frequencies")) / width
    angles = features @ frequencies
    cloud: Tensor = torch.cat([angles.cos(), angles.sin()], dim=1) / _FREQUENCIES**0.5
    return cloud


def _components(features: Tensor) -> NDArray[np.float64]:
    from sklearn.decomposition import PCA

    values: NDArray[np.float64] = features.double().numpy()
    if values.shape[1] > _COMPONENTS:
        values = PCA(min(_COMPONENTS, len(values)), random_state=0).fit_transform(values)
    spread = values.std(axis=0)
    standard: NDArray[np.float64] = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return standard


def _held_out_error(features: Distances, label: NDArray[np.int64], fold: NDArray[np.int64]) -> float:
    """Return the mean error of both samples over held-out folds; one half where a fold lacks a sample."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score

    errors = []
    for held_out in range(_FOLDS):
        rest = fold != held_out
        if len(np.unique(label[rest])) < 2 or len(np.unique(label[~rest])) < 2:
            return 0.5
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=100).fit(features[rest], label[rest])
        errors.append(1 - balanced_accuracy_score(label[~rest], model.predict(features[~rest])))
    return float(np.mean(errors))
