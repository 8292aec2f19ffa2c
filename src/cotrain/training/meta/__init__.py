"""Initial weights from which a few steps on a few rows are enough."""
