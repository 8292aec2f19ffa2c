"""Bases: the coordinates in which gradients are kept."""

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.bases.dense import DenseRandom
from cotrain.gradients.bases.directions import Directions, KhatriRao
from cotrain.gradients.bases.identity import Identity

__all__ = ["Basis", "DenseRandom", "Directions", "Identity", "KhatriRao"]
