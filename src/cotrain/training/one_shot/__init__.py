"""Groups found while training: differentiable grouping, and groups that take turns in one network."""
