"""Bases: the coordinates in which gradients are kept."""

from cotrain.gradients.bases.basis import Basis
from cotrain.gradients.bases.dense import DenseRandom
from cotrain.gradients.bases.directions import Directions, KhatriRao
from cotrain.gradients.bases.fidelity import Fidelity
from cotrain.gradients.bases.identity import Identity
from cotrain.gradients.bases.kronecker import Kronecker
from cotrain.gradients.bases.principal import Principal

__all__ = ["Basis", "DenseRandom", "Directions", "Fidelity", "Identity", "KhatriRao", "Kronecker", "Principal"]
