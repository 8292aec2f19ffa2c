"""Picks what turns losses into gradients from the options of a training."""

from __future__ import annotations

import torch
from torch import nn

from cotrain.errors import InputError
from cotrain.problem.options import TrainingOptions
from cotrain.problem.rows import select
from cotrain.training.balancing.aggregators import aggregation_of
from cotrain.training.balancing.backward import Backward
from cotrain.training.balancing.bayes_agg import BayesBackward
from cotrain.training.balancing.jacobian import JacobianBackward, WeightedBackward
from cotrain.training.balancing.last_layer import last_layer
from cotrain.training.balancing.posterior import HeadPosterior
from cotrain.training.balancing.selective import SelectiveBackward
from cotrain.training.balancing.sharing import shared_numbers
from cotrain.training.balancing.weighting import weighting_of
from cotrain.training.subset_data import SubsetData

PROBE_ROWS = 8
WEIGH_THEMSELVES = ("bayes-agg", "selective")


def backward_of(network: nn.Module, data: SubsetData, options: TrainingOptions) -> Backward:
    """Return what the options ask for; a single task has nobody to be balanced with and trains as ever.

    Raises
    ------
    MissingExtraError
        When a library is needed that is not installed.
    InputError
        When a loss weighting is asked for besides a method that weighs tasks itself, or BayesAgg-MTL for tasks or a
        network it does not know.
    """
    if len(data.tasks) == 1 or (options.weighting, options.aggregation) == ("equal", "mean"):
        return Backward()
    if options.aggregation in WEIGH_THEMSELVES and options.weighting != "equal":
        raise InputError(
            f"`weighting` must be 'equal' with `aggregation` '{options.aggregation}'. Found '{options.weighting}'."
        )
    if options.aggregation == "selective":
        return SelectiveBackward(len(data.tasks)).to(data.label_weights.device)
    weighting = weighting_of(options.weighting, len(data.tasks))
    rows = torch.arange(min(PROBE_ROWS, len(data.train)), device=data.label_weights.device)
    inputs = select(data.train.inputs, rows)
    shared = shared_numbers(network.eval(), data.tasks, inputs)
    if options.aggregation == "bayes-agg":
        layer = last_layer(network, data.tasks, shared, inputs, needed_by="`aggregation` 'bayes-agg'")
        chosen: Backward = BayesBackward(layer, HeadPosterior(data.tasks, layer.width))
    elif options.aggregation == "mean" or not bool(shared.any()):
        chosen = WeightedBackward(weighting, shared)
    else:
        chosen = JacobianBackward(weighting, shared, aggregation_of(options.aggregation, len(data.tasks)))
    return chosen.to(data.label_weights.device)
