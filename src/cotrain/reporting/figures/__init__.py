"""Figures: each draws on the axes it is given, or on a new pyplot figure, and returns them."""

from cotrain.reporting.figures.affinity_heatmap import affinity_heatmap
from cotrain.reporting.figures.costs import cost_bars
from cotrain.reporting.figures.estimated_vs_measured import estimated_vs_measured
from cotrain.reporting.figures.gains import gain_of_arms, gain_per_task

__all__ = ["affinity_heatmap", "cost_bars", "estimated_vs_measured", "gain_of_arms", "gain_per_task"]
