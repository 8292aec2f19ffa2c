"""How the tasks of a group are balanced: loss weightings, and gradients aggregated where weights are shared."""
