"""Layer rules: what a layer's parameters receive, given its input and the gradient of its output."""

from cotrain.gradients.layers import attention, convolution, norms, pointwise
from cotrain.gradients.layers.rule import LayerCall, register, rule_for

__all__ = ["LayerCall", "attention", "convolution", "norms", "pointwise", "register", "rule_for"]
