"""Picks what turns losses into gradients from the options of a training."""

from __future__ import annotations

import torch
from torch import nn

from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import select
from cotrain.training.balancing.aggregators import aggregation_of
from cotrain.training.balancing.backward import Backward
from cotrain.training.balancing.jacobian import JacobianBackward, WeightedBackward
from cotrain.training.balancing.sharing import shared_numbers
from cotrain.training.balancing.weighting import weighting_of
from cotrain.training.subset_data import SubsetData

PROBE_ROWS = 8


def backward_of(network: nn.Module, data: SubsetData, options: TrainingOptions) -> Backward:
    """Return what the options ask for; a single task has nobody to be balanced with and trains as ever.

    Raises
    ------
    MissingExtraError
        When a library is needed that is not installed.
    """
    if len(data.tasks) == 1 or (options.weighting, options.aggregation) == ("equal", "mean"):
        return Backward()
    weighting = weighting_of(options.weighting, len(data.tasks))
    rows = torch.arange(min(PROBE_ROWS, len(data.train)), device=data.label_weights.device)
    shared = shared_numbers(network.eval(), data.tasks, select(data.train.inputs, rows))
    if options.aggregation == "mean" or not bool(shared.any()):
        chosen: Backward = WeightedBackward(weighting, shared)
    else:
        chosen = JacobianBackward(weighting, shared, aggregation_of(options.aggregation, len(data.tasks)))
    return chosen.to(data.label_weights.device)
