"""Names of the groupers, as ``cotrain.group(method=...)`` and the command line know them."""

from __future__ import annotations

from collections.abc import Callable

from cotrain.affinity.affinity import Affinity
from cotrain.grouping.affinity_propagation import AffinityPropagation
from cotrain.grouping.average_density import AverageDensity
from cotrain.grouping.base import Grouper
from cotrain.grouping.co_clustering import SpectralCoClustering
from cotrain.grouping.hierarchical import Hierarchical
from cotrain.grouping.mixture import Mixture
from cotrain.grouping.network_selection import NetworkSelection
from cotrain.grouping.overlapping_density import OverlappingDensity
from cotrain.grouping.random_groups import RandomGroups
from cotrain.grouping.semisoft import Semisoft
from cotrain.grouping.spectral import Spectral

GROUPERS: dict[str, Callable[..., Grouper]] = {
    AverageDensity.name: AverageDensity,
    OverlappingDensity.name: OverlappingDensity,
    NetworkSelection.name: NetworkSelection,
    Spectral.name: Spectral,
    SpectralCoClustering.name: SpectralCoClustering,
    AffinityPropagation.name: AffinityPropagation,
    Hierarchical.name: Hierarchical,
    Mixture.name: Mixture,
    Semisoft.name: Semisoft,
    RandomGroups.name: RandomGroups,
}
"""Name -> class; every class can be built from ``networks`` alone."""

AUTO = "auto"
WORTH_A_NETWORK = 0.005


def default_grouper(affinity: Affinity, networks: int | None) -> Grouper:
    """Return the grouper that suits an affinity.

    Where a model predicts the gains of any subset, networks are selected by those gains, each beyond the first only if
    it adds half a percent to the mean gain. A matrix alone is grouped by average density.

    Parameters
    ----------
    affinity
        What is grouped.
    networks
        Most networks; no limit by default.
    """
    if affinity.model is None:
        return AverageDensity(networks=networks)
    return NetworkSelection(networks=networks, minimum_gain=WORTH_A_NETWORK)
