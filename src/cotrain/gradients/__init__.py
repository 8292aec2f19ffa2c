"""The gradients room."""
