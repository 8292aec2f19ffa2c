"""Subset fits on projected gradients: what Grad-TAG and influence share."""
