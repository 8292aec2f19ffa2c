"""Graphs as inputs: reading them, propagating features along edges, features of the structure alone."""

from cotrain.problem.graphs.graph import Graph
from cotrain.problem.graphs.propagation import propagate
from cotrain.problem.graphs.sampling import sample_trees
from cotrain.problem.graphs.structure import structural_features

__all__ = ["Graph", "propagate", "sample_trees", "structural_features"]
