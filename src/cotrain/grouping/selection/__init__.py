"""How networks are selected: candidates, scores, limits, and the solvers."""
