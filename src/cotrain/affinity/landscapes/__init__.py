"""Sketches of rows' gradients and distances between them, for sample-wise landscape analysis."""
